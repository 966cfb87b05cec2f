"""What a check found in declared sets, as rich text."""

from __future__ import annotations

import html
from typing import Any

from MedSSLLib.errorText import errorText
from slicer.i18n import tr as _

from medssl.errors import CatalogError
from MedSSLPretrainLib.labelRows import rowsOf

SPLITS = ("training", "validation", "test", "open")
COUNTS = ("positive", "negative", "uncertain", "missing")
MOST = 5  # errors and warnings that are shown; the number of all is told


def labelsText(values: dict[str, Any]) -> str:
    """How many classes of which kind a declaration, complete or not, has."""
    count = len(rowsOf(values.get("labels")))
    titles = {
        "multi-label": _("{count} findings") if count != 1 else _("1 finding"),
        "multi-class": _("one of {count} classes"),
        "binary": _("yes or no"),
    }
    return titles.get(values.get("kind", ""), "{count}").format(count=count)


def splitText(report: dict[str, Any]) -> str:
    """How the images are split, in words."""
    titles = {
        "training": _("{count} for training"), "validation": _("{count} for validation"), "test": _("{count} for the test"),
        "open": _("{count} to be split by patient"),
    }  # fmt: skip
    found = [
        titles[split].format(count=f"{report['splits'][split]:,}") for split in SPLITS if report["splits"].get(split)
    ]
    return ", ".join(found)


def setsText(reports: list[dict[str, Any]]) -> str:
    """All sets together, for the line under the buttons."""
    images, errors = sum(report["images"] for report in reports), sum(len(report["errors"]) for report in reports)
    text = _("{sets} sets, {images} images").format(sets=len(reports), images=f"{images:,}")
    return f"<b>{text}</b>" + (": " + _("errors: {count}").format(count=errors) if errors else "")


def reportText(report: dict[str, Any]) -> str:
    """One set: counts, errors, warnings, and a table of its classes."""
    counts = _("{images} images of {patients} patients").format(
        images=f"{report['images']:,}", patients=f"{report['patients']:,}"
    )
    parts = [f"<b>{counts}</b>: {splitText(report)}."]
    parts += _found(_("Errors"), report["errors"]) + _found(_("Warnings"), report["warnings"])
    return "<br>".join(parts) + _classTable(report["classes"])


def _found(title: str, problems: list[dict[str, str]]) -> list[str]:
    lines = [errorText(CatalogError(one["value"], one["rule"], one["remedy"])) for one in problems[:MOST]]
    if len(problems) > MOST:
        lines.append(_("and {count} more").format(count=len(problems) - MOST))
    return [f"<b>{title}:</b>", *lines] if lines else []


def _classTable(classes: dict[str, dict[str, dict[str, int]]]) -> str:
    """Class -> split -> counts: of all splits together, since the panel is narrow."""
    titles = {"positive": _("yes"), "negative": _("no"), "uncertain": _("unsure"), "missing": _("missing")}
    head = "".join(f"<th align='right'>&nbsp;&nbsp;{titles[count]}</th>" for count in COUNTS)
    rows = []
    for name, splits in classes.items():
        sums = (sum(counts.get(count, 0) for counts in splits.values()) for count in COUNTS)
        cells = "".join(f"<td align='right'>&nbsp;&nbsp;{value:,}</td>" for value in sums)
        rows.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return f"<table><tr><th align='left'>{_('Class')}</th>{head}</tr>{''.join(rows)}</table>"
