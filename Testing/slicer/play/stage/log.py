"""What the application's log says against us: tracebacks, and warnings of Qt, VTK and Python."""

from __future__ import annotations

import re
from pathlib import Path

TRACEBACK = "Traceback (most recent call last)"
WARNINGS = re.compile(
    r"\b(?:WARNING|Warning|ERROR|Error|CRITICAL)\b\s*:|^Q[A-Z]\w+::|^Q[A-Z]\w+: |Generic Warning|No input data"
    r"|\b(?:ERR|WARN)\||line with < 2 points|Could not parse|QFormBuilder was unable|does not have a property|No such (?:signal|slot)|Segmentation fault"
)
COLOURS = re.compile(r"\x1b\[\d*m")  # of a terminal
NOT_OURS = re.compile(  # what the application, its platform plugin or a library says by itself
    r"QStandardPaths: |propagateSizeHints|This plugin does not support|libGL|MESA|QXcbConnection|dbus|DBus|XDG_RUNTIME_DIR|FileGenericColors"
    r"|Fontconfig|QSslSocket|qt\.qpa|sippyutil|OpenGL|Switch to module|Loading Slicer RC"
)


class Log:
    """A file that grows while the application runs; each look reads what is new.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0

    def faults(self) -> list[str]:
        """What was said against us since the last look."""
        with self._path.open("rb") as file:
            file.seek(self._place)
            data = file.read()
        self._place += len(data)
        return faultsOf(data.decode("utf-8", "replace"))


def faultsOf(text: str) -> list[str]:
    """Tracebacks, each as its last line, and warnings; the same one once."""
    found, lines, number = [], COLOURS.sub("", text).splitlines(), 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.startswith("=== "):  # the scenario's own
            continue
        if TRACEBACK in line:
            while number < len(lines) and (lines[number].startswith((" ", "\t")) or not lines[number].strip()):
                number += 1
            found.append(f"traceback: {lines[number] if number < len(lines) else ''}".strip())
            number += 1
        elif WARNINGS.search(line) and not NOT_OURS.search(line):
            found.append(f"log: {line.strip()}")
    return list(dict.fromkeys(found))
