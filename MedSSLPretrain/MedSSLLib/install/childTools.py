"""What would keep Slicer's window waiting, run by its Python as a program of its own. Standard library only.

childTools.py reach ADDRESS      prints "" where an HTTPS address answers, else why not
childTools.py size FOLDER...     prints the bytes that the folders take; what is linked twice counts once
childTools.py remove FOLDER...   deletes them, if they are marked as made by the panel
childTools.py copy FROM TO       copies the backend's source: it is built there, and an installed one may be read-only
childTools.py run ARGUMENT...    runs this Python with these arguments, and ends it with all that it has started once
                                 whoever asked for it is gone, or closes the standard input after having written to it
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

TIMEOUT_S = 6.0
ON_ERROR = "onexc" if sys.version_info >= (3, 12) else "onerror"
MARK = "medssl-made.json"  # in the folders that the panel has made, with all in them
NEUTRAL_FOLDER = os.getcwd()  # in which the panel starts this: one that holds nothing to import
WATCH_S = 0.05  # between two looks at a program
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
    """Delete marked folders with all in them; links are deleted, not followed. The mark goes last: what a cancelled removal
    leaves is still known.

    Raises:
        OSError: a folder has no mark, so that what it holds may be the user's; or the system says why not.
    """
    folders = [folder for folder in folders if os.path.lexists(folder)]
    for folder in folders:
        if os.path.islink(folder) or not os.path.isfile(os.path.join(folder, MARK)):
            raise PermissionError(errno.EPERM, "was not made by MedSSL", folder)
    for folder in folders:
        for name in os.listdir(folder):
            if name != MARK:
                _delete(os.path.join(folder, name))
        _delete(folder)


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, **{ON_ERROR: _makeWritable})
        return
    try:
        os.unlink(path)
    except PermissionError:
        _makeWritable(os.unlink, path, None)


def _makeWritable(function, path: str, _error) -> None:
    """Windows does not delete files that are read-only."""
    os.chmod(path, stat.S_IWRITE)
    function(path)


def copy(source: str, target: str) -> None:
    """Copy a package's source anew, without what its build leaves and what its users do not need."""
    if os.path.lexists(target):
        _delete(target)
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", "benchmarks")
    shutil.copytree(source, target, ignore=leave)


def run(arguments: list[str]) -> int:
    """Run this Python; returns its exit status.

    Slicer's own is a launcher that runs the real one as its child: killing the launcher alone would leave that at work.
    """
    parent, left = os.getppid(), threading.Event()
    group = {"start_new_session": True} if os.name == "posix" else {"creationflags": subprocess.CREATE_NO_WINDOW}
    child = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL, cwd=NEUTRAL_FOLDER, **group)
    threading.Thread(target=_awaitEnd, args=(left,), daemon=True).start()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    try:
        while child.poll() is None and not left.is_set() and os.getppid() == parent:
            time.sleep(WATCH_S)
    finally:  # Ctrl+C in the terminal that Slicer was started from does not reach the child's own group
        if child.poll() is None:
            _endTree(child.pid)
    return child.wait()


def _leave(number: int, _frame) -> None:
    raise SystemExit(128 + number)


def _awaitEnd(left: threading.Event) -> None:
    """Wait until the standard input is closed; one from which nothing ever came is none."""
    heard = False
    try:
        while os.read(0, 1024):
            heard = True
    except OSError:
        pass  # there is none
    if heard:
        left.set()


def _endTree(pid: int) -> None:
    """End a program with all that it has started."""
    if os.name == "posix":
        os.killpg(pid, signal.SIGKILL)
        return
    subprocess.run(
        ["taskkill", "/T", "/F", "/PID", str(pid)], stdin=subprocess.DEVNULL, capture_output=True,
        creationflags=subprocess.CREATE_NO_WINDOW, check=False,
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Do what the arguments say; what fails is printed in one line."""
    verb, *rest = arguments
    if verb == "run":
        return run(rest)
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
