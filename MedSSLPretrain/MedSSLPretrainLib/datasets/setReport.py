"""What a check found in dataset specs, as rich text."""

from __future__ import annotations

import html
from typing import Any

from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.errorText import errorText
from slicer.i18n import tr as _

from medssl.core.errors import CatalogError
from MedSSLPretrainLib.datasets.labelRows import rowsOf

MOST = 5  # errors and warnings that are shown; the number of all is shown


def labelsText(values: dict[str, Any]) -> str:
    """How many classes of which kind a dataset spec, complete or not, has."""
    count = len(rowsOf(values.get("labels")))
    titles = {
        "multi-label": counted(count, _("{count} finding"), _("{count} findings")),
        "multi-class": _("one of {count} classes").format(count=count),
        "binary": _("yes or no"),
    }
    return titles.get(values.get("kind", ""), str(count))


def splitText(report: dict[str, Any]) -> str:
    """How the images are split, in words."""
    titles = {
        "training": _("{count} for training"), "validation": _("{count} for validation"), "test": _("{count} for the test"),
    }  # fmt: skip
    splits = report.get("splits", {})
    return ", ".join(title.format(count=f"{splits[name]:,}") for name, title in titles.items() if name in splits)


def setsText(reports: list[dict[str, Any]]) -> str:
    """All sets together, for the line under the buttons."""
    images, errors = sum(report["images"] for report in reports), sum(len(report["errors"]) for report in reports)
    sets = counted(len(reports), _("{count} set"), _("{count} sets"))
    return f"<b>{sets}, {counted(images, _('{count} image'), _('{count} images'))}</b>" + (
        ": " + _("errors: {count}").format(count=errors) if errors else ""
    )


def reportText(report: dict[str, Any]) -> str:
    """One set: counts, errors, warnings, and a table of its classes."""
    counts = _("{images} of {patients}").format(
        images=counted(report["images"], _("{count} image"), _("{count} images")),
        patients=counted(report["patients"], _("{count} patient"), _("{count} patients")),
    )
    splits = splitText(report)
    parts = [f"<b>{counts}</b>" + (f": {splits}." if splits else "")] if report["images"] else []
    parts += _found(_("Errors"), report["errors"]) + _found(_("Warnings"), report["warnings"])
    parts += [_attributeLine(name, values) for name, values in report.get("attributes", {}).items()]
    return "<br>".join(parts) + (_classTable(report["classes"]) if report.get("classes") else "")


def _found(title: str, problems: list[dict[str, str]]) -> list[str]:
    lines = [errorText(CatalogError(one["value"], one["rule"], one["remedy"])) for one in problems[:MOST]]
    if len(problems) > MOST:
        lines.append(_("and {count} more").format(count=len(problems) - MOST))
    return [f"<b>{title}:</b>", *lines] if lines else []


def _attributeLine(name: str, values: dict[str, int]) -> str:
    shown = [f"{html.escape(value or _('unknown'))} {count:,}" for value, count in list(values.items())[:MOST]]
    more = ", ..." if len(values) > MOST else ""
    return f"{html.escape(name)}: {', '.join(shown)}{more}"


def _classTable(rows: list[dict[str, Any]]) -> str:
    """Counts of each class in all splits together, since the panel is narrow."""
    titles = {"positive": _("yes"), "negative": _("no"), "uncertain": _("unsure"), "missing": _("missing")}
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = sums.setdefault(row["class"], dict.fromkeys(titles, 0))
        for count in titles:
            counts[count] += row[count]
    head = "".join(f"<th align='right'>&nbsp;&nbsp;{title}</th>" for title in titles.values())
    lines = []
    for name, counts in sums.items():
        cells = "".join(f"<td align='right'>&nbsp;&nbsp;{counts[count]:,}</td>" for count in titles)
        lines.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return f"<table><tr><th align='left'>{_('Class')}</th>{head}</tr>{''.join(lines)}</table>"
