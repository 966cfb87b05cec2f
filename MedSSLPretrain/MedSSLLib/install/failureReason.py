"""What went wrong while packages were installed, and what helps: read from the last lines of pip and uv."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from slicer.i18n import tr as _

from medssl.core.errors import ResourceError

LEAVE = ("memory", "disk", "home folder", "server", "GPU")  # the doctor's findings that do not spoil an environment
KNOWN = (
    (r"certificate|UnknownIssuer|SSLError|self.signed", lambda: _("Choose your organisation's certificate under 'What will be installed', then Continue")),
    (r"No space left|os error 28|os error 112|Errno 28|disk quota", lambda: _("Free some space, then Continue: what is done is kept")),
    (r"\b407\b|proxy", lambda: _("Check the proxy under 'What will be installed', then Continue")),
    (r"dns error|resolve|timed out|timeout|onnect|unreachable|os error 10|Temporary failure|sending request",
     lambda: _("Check the network or enter the proxy under 'What will be installed', then Continue: what is done is kept")),
    (r"Access is denied|os error 5\b|os error 32|ermission|WinError 5|WinError 32|Operation not permitted",
     lambda: _("Stop the backend and close programs that use the folder (a virus scanner may), then Continue")),
    (r"No solution found|no wheels|No matching distribution|not satisfiable|no version of|has no .*platform",
     lambda: _("Choose another Python, another build of PyTorch or another source of packages, then Continue")),
    (r"No interpreter found|python downloads|No Python|managed Python", lambda: _("Install Python 3.12 and check again, then Continue")),
)  # fmt: skip


def failed(title: str, lines: Sequence[str], code: int) -> ResourceError:
    """The error of a step that ended badly.

    Args:
        title: of the step.
        lines: the last ones it printed.
        code: its exit status.
    """
    said = [line for line in (re.sub(r"^[\s×╰─▶│├>]+", "", line).strip() for line in lines) if line]
    reason = next(
        (line for line in reversed(said) if re.match(r"(error|ERROR|Caused by|Because)", line)),
        said[-1] if said else "",
    )
    text = "\n".join(said[-12:])
    remedy = next(
        (help() for pattern, help in KNOWN if re.search(pattern, text, re.IGNORECASE)),
        _("Read the log below, then Continue"),
    )
    rule = _("cannot be installed ({reason})").format(reason=reason or _("exit status {code}").format(code=code))
    return ResourceError(title, rule, remedy)


def cancelled(title: str) -> ResourceError:
    """The error of a step that the user stopped."""
    return ResourceError(title, _("was cancelled"), _("Press Continue to go on: what is done is kept"))


def checked(printed: str) -> tuple[ResourceError | None, str]:
    """What the doctor found in the new environment: the error, and what it says of the GPU."""
    begin, end = printed.find("["), printed.rfind("]")
    try:
        findings = json.loads(printed[begin : end + 1])
        gpu = next((finding["found"] for finding in findings if finding["what"] == "GPU"), "")
        bad = next((f for f in findings if not f["good"] and f["what"] not in LEAVE), None)
    except (ValueError, KeyError, TypeError):
        last = (printed.strip().splitlines() or [_("no answer")])[-1]
        return ResourceError(
            _("The new environment"), _("does not work ({reason})").format(reason=last), _("Press Repair")
        ), ""
    if bad is None:
        return None, gpu
    rule = _("does not work: {what} {found}").format(what=bad["what"], found=bad["found"])
    return ResourceError(
        _("The new environment"), rule, _("Press Repair, or choose another build or source of packages")
    ), gpu
