"""What would keep Slicer's window waiting, run by its Python as a program of its own. Standard library only.

childTools.py reach ADDRESS      prints "" where an HTTPS address answers, else why not
childTools.py size FOLDER...     prints the bytes that the folders take; what is linked twice counts once
childTools.py remove FOLDER...   deletes them
childTools.py copy FROM TO       copies the backend's source: it is built there, and an installed one may be read-only
"""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

TIMEOUT_S = 6.0
ON_ERROR = "onexc" if sys.version_info >= (3, 12) else "onerror"
ABSENT = (404, 405)  # the server answers; what it has there does not matter


def reach(address: str) -> str:
    """Why an address does not answer, through the proxy and with the certificates that the environment names; "" if it does."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=_certificates()):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code in ABSENT else f"{error.code} {error.reason}"
    except (OSError, ValueError) as error:  # ValueError: not an address, such as a proxy without its port
        return str(getattr(error, "reason", error)) or type(error).__name__


def _certificates() -> ssl.SSLContext:
    context = ssl.create_default_context()  # the system's store, or what SSL_CERT_FILE names
    if not os.environ.get("SSL_CERT_FILE"):
        try:
            from pip._vendor import certifi

            context.load_verify_locations(certifi.where())
        except (ImportError, OSError):
            pass  # a Python without pip, or with the distribution's own
    return context


def size(folders: list[str]) -> int:
    """Bytes of all files below the folders, each file once however often it is linked."""
    seen: dict[tuple[int, int], int] = {}
    for path in (path for folder in folders for path in _files(folder)):
        try:
            found = os.lstat(path)
        except OSError:
            continue  # deleted meanwhile
        seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())


def _files(folder: str) -> Iterator[str]:
    for parent, _folders, names in os.walk(folder):
        yield from (os.path.join(parent, name) for name in names)


def remove(folders: list[str]) -> None:
    """Delete folders with all in them; links are deleted, not followed."""
    for folder in folders:
        if os.path.lexists(folder):
            shutil.rmtree(folder, **{ON_ERROR: _makeWritable})


def _makeWritable(function, path: str, _error) -> None:
    """Windows does not delete files that are read-only."""
    os.chmod(path, stat.S_IWRITE)
    function(path)


def copy(source: str, target: str) -> None:
    """Copy a package's source anew, without what its build leaves and what its users do not need."""
    remove([target])
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", "benchmarks")
    shutil.copytree(source, target, ignore=leave)


def main(arguments: list[str]) -> int:
    """Do what the arguments say; what fails is printed in one line."""
    verb, *rest = arguments
    verbs = {
        "reach": lambda: reach(rest[0]),
        "size": lambda: size(rest),
        "remove": lambda: remove(rest),
        "copy": lambda: copy(*rest),
    }
    try:
        answer = verbs[verb]()
    except OSError as error:  # shutil's has a list in place of a reason where several files fail
        print(f"error: {error.filename}: {error.strerror}" if error.strerror else f"error: {error}")
        return 1
    print("" if answer is None else answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
