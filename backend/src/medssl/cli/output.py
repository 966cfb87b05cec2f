"""What the terminal shows: tables, errors, lists of jobs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table

from medssl.core.errors import MedSSLError
from medssl.core.protocol import JobView, to_json
from medssl.reports.numbers import plain

# What a terminal obeys instead of showing it: control characters but the line feed and the tab, and marks that turn the writing around
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with what a terminal would obey written out: names of files and errors over them come from anywhere."""
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class SafeConsole(Console):
    """A console that shows all text; only its own colours and bars move the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


out = SafeConsole(soft_wrap=True)
err = SafeConsole(stderr=True, soft_wrap=True)


def say(text: object) -> None:
    """Print a line on standard output: as it is for another program, made visible on a terminal."""
    print(visible(str(text)) if sys.stdout.isatty() else text)


def complain(error: MedSSLError) -> None:
    """Show the value and the rule it breaks, dimly the code, and below them the remedy."""
    code = f"[dim]{escape(f'[{error.code}]')}[/]"
    err.print(f"[bold red]Error[/] {escape(error.value)}: {escape(error.rule)}. {code}", highlight=False)
    if error.remedy:
        err.print(f"      {escape(error.remedy)}.")


def print_json(value: Any) -> None:
    """Print any protocol value as JSON on standard output."""
    print(json.dumps(to_json(value), indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "", names: int = 1) -> None:
    """Print a table; floats with four digits.

    Args:
        columns: headings.
        rows: a cell for each column, any value: see `plain`.
        title: a line above it.
        names: so many columns, from the first on, hold what users type or copy: never cut or wrapped, the others wrap.
    """
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(plain(cell)) for cell in row] for row in rows]
    table = Table(header_style="bold")
    for number, heading in enumerate(columns):
        width = max((cell_len(line) for row in cells for line in row[number].split("\n")), default=0)
        whole = max(width, cell_len(heading)) if number < names else None
        table.add_column(escape(heading), no_wrap=number < names, min_width=whole, overflow="fold")
    for row in cells:
        table.add_row(*map(escape, row))
    if title:
        out.print(title, style="bold", highlight=False, markup=False)
    out.print(table)


def print_jobs(views: Iterable[JobView]) -> None:
    """A line per job, and one below it for its message: so ids and names stay whole on narrow terminals."""
    heads, rows, messages = ("job", "state", "step", "method", "name"), [], []
    for view in views:
        status, spec = view.status, view.spec
        rows.append((view.id, status.state, f"{status.step}/{status.steps}", spec.method, spec.name))
        messages.append(_said(status.error) if status.error else status.message)
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    for row, message, style in zip((heads, *rows), ("", *messages), ("bold", *[""] * len(rows))):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        out.print(line, style=style, highlight=False, markup=False)
        if message:
            out.print(f"    {message}", highlight=False, markup=False)


def _said(error: dict[str, str]) -> str:
    """The message of an error, and its code, which jobs of earlier versions lack."""
    return " ".join((error["message"], f"[{error['code']}]" if error.get("code") else "")).rstrip()


def download_bar(title: str) -> Progress:
    """A progress bar in bytes."""
    return Progress(TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err)
