"""A self-contained HTML report: text, tables and pictures in one file that can be mailed."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medssl.core.files import write_atomic
from medssl.reports.numbers import plain

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.9rem; margin-bottom: .2rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .35rem .9rem; text-align: left; border-bottom: 1px solid var(--line); }
td small { white-space: nowrap; opacity: .75; } td.number { font-variant-numeric: tabular-nums; } tr.best td { background: var(--soft); font-weight: 600; }
img { max-width: 100%; } figure { margin: 1rem 0; } figcaption, .note { color: #777; font-size: .92rem; }
figure.case { display: inline-block; width: 14rem; margin: .5rem; vertical-align: top; overflow-wrap: anywhere; } .case a { color: inherit; }
.verdict { padding: .7rem 1rem; border-left: 4px solid #2a9d5c; background: var(--soft); } .verdict.bad { border-color: #c8443c; } .verdict.open { border-color: #888; }
"""


class Report:
    """Collects sections and writes them as one HTML file."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>", f'<p class="note">{html.escape(subtitle)}</p>']

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def lead(self, text: str, good: bool | None) -> None:
        """The answer, as the first line below the title."""
        self._parts.insert(1, _framed(text, good))

    def verdict(self, text: str, good: bool | None) -> None:
        """An answer, framed in green or red; None: neither."""
        self._parts.append(_framed(text, good))

    def picture(self, png: bytes, caption: str) -> None:
        """A PNG with a caption."""
        data = base64.b64encode(png).decode()
        text = html.escape(caption)
        self._parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
        )

    def case(self, png: bytes | None, caption: str, link: str = "") -> None:
        """A small picture (or none) beside others of its kind, linked to a file."""
        text = html.escape(caption)
        image = f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">' if png else ""
        inner = f"{image}<figcaption>{text}</figcaption>"
        linked = f'<a href="{html.escape(link)}">{inner}</a>' if link else inner
        self._parts.append(f'<figure class="case">{linked}</figure>')

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], best: str = "") -> None:
        """A table; the row whose first cell is `best` stands out; further lines of a cell are small."""
        head = "".join(f"<th>{html.escape(str(column))}</th>" for column in columns)
        body = "".join(
            f'<tr class="{"best" if best and row[0] == best else ""}">{"".join(_cell(cell) for cell in row)}</tr>'
            for row in rows
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def write(self, path: Path) -> None:
        """Write the file, all or nothing."""
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(self.title)}</title>'
        page = f"<!doctype html><html lang='en'><head>{head}<style>{STYLE}</style></head><body>{''.join(self._parts)}</body></html>"
        write_atomic(path, page.encode())


def _framed(text: str, good: bool | None) -> str:
    how = {True: "", False: " bad", None: " open"}[good]
    return f'<p class="verdict{how}">{html.escape(text)}</p>'


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            f'<td class="number">{value:,}</td>' if isinstance(value, int) else f'<td class="number">{value:.4f}</td>'
        )
    first, *more = html.escape(str(plain(value))).split("\n")
    return f"<td>{first}{''.join(f'<br><small>{line}</small>' for line in more)}</td>"
