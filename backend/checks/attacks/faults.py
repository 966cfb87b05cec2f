"""Writes docs/faults.md: what each write of the house leaves when the disk fails at its n-th call, by trying it.

    python backend/checks/attacks/faults.py [--check]

With --check nothing is written, and the exit status is 1 where the file says something else.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "backend/tests/faults"))

from scenarios import FAULTS, SCENARIOS, Row, play  # noqa: E402

FILE = ROOT / "docs" / "faults.md"
HEAD = """# Faults

Made by `python backend/checks/attacks/faults.py`: each write of the house, on a disk that fails from its n-th call on (a write that fails leaves
half of its bytes), that is slow, read-only or gone. `backend/tests/faults` holds the same, with clocks that jump, two of everything at once,
and kills by real signals at each stage of writing a checkpoint; `backend/checks/kills.py` kills trainings, comparisons, applying, uploads and the building of an index at random moments.

| write | disk | at call | error | what stands there | left behind |
|---|---|---|---|---|---|
"""


def rows() -> list[Row]:
    """Every scenario under every fault at every call."""
    found = []
    for name in SCENARIOS:
        for fault in FAULTS:
            for at in range(1, 100):
                with tempfile.TemporaryDirectory() as folder:
                    row = play(name, fault, at, Path(folder))
                if row is None:
                    break
                found.append(row)
    return found


def table(found: list[Row]) -> str:
    """A line for each; calls of one write with one outcome share it."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in found:
        words = (row.error or "none", f"as {row.stands} the write", ", ".join(row.left) or "nothing")
        groups.setdefault((row.scenario, row.fault, *words), []).append(row.call)
    return "".join(
        f"| {scenario} | {fault} | {', '.join(calls)} | {error} | {stands} | {left} |\n"
        for (scenario, fault, error, stands, left), calls in groups.items()
    )


def main(arguments: list[str]) -> int:
    text = HEAD + table(rows())
    if "--check" in arguments:
        return int(not FILE.is_file() or FILE.read_text(encoding="utf-8") != text)
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
