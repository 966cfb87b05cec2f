"""Rows of equal columns as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medssl.core.files import write_atomic


def write_table(rows: Sequence[dict[str, Any]], path: Path, columns: Sequence[str] = ()) -> None:
    """Write a CSV; the first row's keys are its columns unless `columns` names them, which a table without rows needs."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(columns or rows[0]))
    table.writeheader()
    table.writerows(rows)
    write_atomic(path, text.getvalue().encode())
