"""What the last checks found, shown for the selected set: counts and problems as text, the contact sheet as a picture."""

from __future__ import annotations

import json
from typing import Any

import qt
from slicer.i18n import tr as _

from MedSSLPretrainLib.datasets.setReport import reportText

SHEET_WIDTH = 310  # pixels, of which a panel of 400 has room


class ReportView:
    """Keeps the reports of dataset specs; one that was edited since has none any more.

    Args:
        textLabel: a QLabel for the text.
        sheetLabel: a QLabel for the contact sheet.
    """

    def __init__(self, textLabel, sheetLabel) -> None:
        self._text, self._sheet = textLabel, sheetLabel
        self._found: dict[str, tuple[dict[str, Any], bytes]] = {}  # a dataset spec as JSON -> report, sheet

    def keep(self, spec: dict[str, Any], report: dict[str, Any], sheet: bytes) -> None:
        """Keep what a check found of exactly this spec."""
        self._found[_key(spec)] = (report, sheet)

    def of(self, spec: dict[str, Any]) -> dict[str, Any] | None:
        """The report of exactly this spec, if it was checked."""
        found = self._found.get(_key(spec))
        return found[0] if found is not None else None

    def show(self, spec: dict[str, Any] | None) -> None:
        """Show the report of a dataset spec, if there is one."""
        report, sheet = self._found.get(_key(spec), ({}, b"")) if spec is not None else ({}, b"")
        self._text.visible, self._sheet.visible = bool(report), bool(sheet)
        if report:
            self._text.text = reportText(report)
        if sheet:
            picture = qt.QPixmap()
            picture.loadFromData(sheet)
            self._sheet.setPixmap(picture.scaledToWidth(SHEET_WIDTH, qt.Qt.SmoothTransformation))
            self._sheet.toolTip = _("Random images of {name} with their labels").format(name=report["name"])


def _key(spec: dict[str, Any]) -> str:
    return json.dumps(spec, sort_keys=True)
