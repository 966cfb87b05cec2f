"""Every error that MedSSL raises on purpose.

    MedSSLError
    ├── InputError (ValueError)      something the user gave breaks a rule
    │   ├── ConfigError              a setting: unknown name, wrong type, out of range
    │   ├── VolumeError              an image that cannot be read or used
    │   ├── CatalogError             a training set: empty, inconsistent, leaking
    │   └── WeightsError             a weight file: unsafe, foreign, incomplete
    ├── NotFoundError (LookupError)  a job, volume, result or model that is not there
    ├── StateError                   right request, wrong moment (cancel a finished job)
    ├── AccessError                  token, host or origin refused
    ├── ResourceError (OSError)      disk full, port taken, device missing, package missing
    ├── TrainingError                a run or an inspection went wrong by itself (NaN loss)
    └── CancelledError               the user asked to stop

Each carries three parts, so that every face (terminal, HTTP, panel) can show the same thing:
the offending *value*, the *rule* it breaks and the *remedy*. Besides, a *code* in kebab case, which programs and tests
compare: it stays when the wording changes. Each class has one ("config", "not-found"); where callers tell cases of one
class apart, the error is raised with a code of its own: `StateError(job, "is running", "Cancel it first", code="job-running")`.
"""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Iterable, Sequence
from typing import Any

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # what the system says of a full disk or quota


OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
)  # what libraries call it


def counted(count: int, noun: str) -> str:
    """A count with its noun as a sentence says it: 1 image, 3 images."""
    return f"{count} {noun if count == 1 else noun + 's'}"


def be(count: int) -> str:
    """The verb after it: 1 image is, 3 images are."""
    return "is" if count == 1 else "are"


def have(count: int) -> str:
    """The verb after it: 1 image has, 3 images have."""
    return "has" if count == 1 else "have"


def listed(names: Sequence[str], most: int) -> str:
    """Names as a sentence lists them: the first ones, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def closest_name(name: Any, known: Iterable[str]) -> str:
    """' (did you mean ...?)' where a known name is near, else nothing; swapped letters are nearer than other ones."""
    folded = {one.casefold(): one for one in known}
    text = str(name)[:120].casefold()
    found = difflib.get_close_matches(text, list(folded), 3, 0.6)
    found.sort(key=lambda one: sorted(one) != sorted(text))
    return f" (did you mean {folded[found[0]]!r}?)" if found else ""


class MedSSLError(Exception):
    """Base class; `value`, `rule` and `remedy` are complete phrases without a final stop, `code` is for programs."""

    code = "error"

    def __init__(self, value: Any, rule: str, remedy: str = "", *, code: str = "") -> None:
        self.value, self.rule, self.remedy = (printable(part) for part in (str(value), rule, remedy))
        self.code = code or type(self).code
        message = f"{self.value}: {rule}."
        super().__init__(f"{message} {remedy}." if remedy else message)

    def __reduce__(self):  # the parts, not the joined message, survive a process border
        return type(self), (self.value, self.rule, self.remedy), {"code": self.code}

    def as_dict(self) -> dict[str, str]:
        """The error as it travels in `status.json`, events and HTTP answers."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "value": self.value,
            "rule": self.rule,
            "remedy": self.remedy,
            "message": str(self),
        }


class InputError(MedSSLError, ValueError):
    """Something the user gave breaks a rule."""

    code = "input"


class ConfigError(InputError):
    """A setting is unknown, of the wrong type or out of range."""

    code = "config"


class VolumeError(InputError):
    """An image cannot be read or cannot be used for what was asked."""

    code = "volume"


class CatalogError(InputError):
    """A training set is empty, inconsistent or leaks patients between splits."""

    code = "catalog"


class WeightsError(InputError):
    """A weight file is unsafe, foreign or incomplete."""

    code = "weights"


class NotFoundError(MedSSLError, LookupError):
    """A job, volume, result or model is not there."""

    code = "not-found"


class StateError(MedSSLError):
    """The request is right but comes at the wrong moment."""

    code = "state"


class AccessError(MedSSLError):
    """Token, host or origin is refused."""

    code = "access"


class ResourceError(MedSSLError, OSError):
    """The machine lacks something: disk, port, device or package."""

    code = "resource"


class TrainingError(MedSSLError):
    """A run went wrong by itself, for example with a NaN loss."""

    code = "training"


class CancelledError(MedSSLError):
    """The user asked to stop."""

    code = "cancelled"

    def __init__(
        self, value: Any = "run", rule: str = "cancelled on request", remedy: str = "", *, code: str = ""
    ) -> None:
        super().__init__(value, rule, remedy, code=code)


def printable(text: str) -> str:
    """The text with what no terminal or file can take, such as half a character of a file's name, written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of a device or of the machine; torch raises a plain RuntimeError where it is the machine's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OUT_OF_MEMORY)


def translate(error: Exception, what: str) -> MedSSLError:
    """Any exception as one that users can read; `what` it stopped ("the run") stands in the rule."""
    if isinstance(error, MedSSLError):
        return error
    if isinstance(error, ImportError):
        remedy = f"Install MedSSL with its packages into {sys.executable}, or choose another backend environment"
        return ResourceError(error.name or "package", f"cannot be imported ({error})", remedy, code="package-missing")
    if out_of_memory(error):
        return ResourceError("memory", "is used up", "Take a smaller batch, network or region", code="out-of-memory")
    if isinstance(error, OSError) and error.errno in FULL:
        return ResourceError(error.filename or "disk", "is full", "Free some space and go on", code="disk-full")
    return TrainingError(f"{type(error).__name__}: {error}", f"stopped {what}", "The log has the details")


def from_dict(parts: dict[str, str]) -> MedSSLError:
    """Rebuild an error that came over HTTP or from a job folder; older folders hold none of the codes."""
    kinds = {kind.__name__: kind for kind in _all_kinds(MedSSLError)}
    kind = kinds.get(parts.get("type", ""), MedSSLError)
    return kind(parts.get("value", ""), parts.get("rule", ""), parts.get("remedy", ""), code=parts.get("code", ""))


def _all_kinds(kind: type[MedSSLError]):
    yield kind
    for child in kind.__subclasses__():
        yield from _all_kinds(child)
