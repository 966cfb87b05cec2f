"""The report of scenarios: a page with pictures, and the same as JSON."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

STYLE = """body{font:14px sans-serif;margin:2em;max-width:110em}table{border-collapse:collapse;width:100%}
td,th{border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top}img{width:220px;margin:2px}
.failed{background:#fdd}.skipped{background:#ffd}.passed{background:#dfd}.note{color:#666}"""


def summary(result: dict[str, Any]) -> str:
    """A scenario in a line for the terminal, and a line for each step that failed."""
    lines = [f"{result['state']:8} {result['scenario']} ({len(result['steps'])} steps, {result['seconds']} s)"]
    for step in result["steps"]:
        lines += [f"         {step['step']}: {fault}" for fault in step["faults"]]
        if step["state"] == "skipped":
            lines.append(f"         {step['step']} skipped: {step.get('reason', '')}")
    return "\n".join(lines)


def writeReport(results: list[dict[str, Any]], output: Path) -> None:
    """Write report.json and report.html."""
    (output / "report.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    body = "".join(map(_scenario, results))
    contents = "".join(
        f'<tr class="{r["state"]}"><td><a href="#{r["scenario"]}">{r["scenario"]}</a><td>{html.escape(r["title"])}'
        f"<td>{r['state']}<td>{len(r['steps'])}<td>{r['seconds']} s<td>{_longest(r)}"
        for r in results
    )
    head = "<tr><th>scenario<th>what<th>outcome<th>steps<th>time<th>longest block (CPU)"
    page = f"<!doctype html><meta charset=utf-8><title>Scenarios</title><style>{STYLE}</style><h1>Scenarios</h1>"
    (output / "report.html").write_text(f"{page}<table>{head}{contents}</table>{body}", encoding="utf-8")


def _longest(result: dict[str, Any]) -> str:
    step = max(result["steps"], key=lambda step: step.get("blockCpu", 0.0), default=None)
    return f"{step.get('blockCpu', 0.0):.2f} s, {step['step']}" if step else ""


def _scenario(result: dict[str, Any]) -> str:
    name, title = result["scenario"], html.escape(result["title"])
    head = "<tr><th>step<th>outcome<th>time<th>GUI block (wall, CPU)<th>faults and notes<th>pictures"
    return f'<h2 id="{name}">{name}: {title}</h2><table>{head}{"".join(map(_step, result["steps"]))}</table>'


def _step(step: dict[str, Any]) -> str:
    faults = "".join(f"<b>{html.escape(text)}</b><br>" for text in step["faults"])
    reason = html.escape(step.get("reason", ""))
    notes = "<br>".join(html.escape(text) for text in step.get("notes", ()))
    pictures = "".join(f'<a href="{p}"><img src="{p}" loading=lazy></a>' for p in step.get("pictures", ()))
    block = f"{step['blockWall']:.2f}, {step['blockCpu']:.2f} s" if "blockWall" in step else ""
    block += f"<br><span class=note>{html.escape(step.get('blockWhere', ''))}</span>"
    return (
        f'<tr class="{step["state"]}"><td>{html.escape(step["title"])}<td>{step["state"]}<td>{step.get("seconds", "")} s'
        f"<td>{block}<td>{faults}{reason}<span class=note>{notes}</span><td>{pictures}"
    )
