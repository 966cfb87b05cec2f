"""The section "Restore": starts a restoration, follows it, shows its end."""

from __future__ import annotations

from typing import Any

from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.actionBox import Action, unfulfilled
from slicer.i18n import tr as _

from medssl.core.capabilities import RESTORE
from MedSSLInferenceLib.panel.inspectionBox import InspectionBox, withNotes
from MedSSLInferenceLib.panel.restoreForm import RestoreForm
from MedSSLInferenceLib.panel.rowsTable import fillRows
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.restorationNodes import IMAGES
from MedSSLInferenceLib.views.restorationLayout import fourUpSteps

FORMATS = {"mse": "{:.4f}", "psnr": "{:.1f}", "ssim": "{:.3f}"}


class RestoreBox(InspectionBox):
    """The section on the widgets of MedSSLInference.ui.

    Attributes: `restoration`, what the last run left in the scene.

    Args:
        ui: the widgets.
        common: logic, models, layoutManager and device, as in InspectionBox.
    """

    NEEDS = (RESTORE,)

    def __init__(self, ui, *common) -> None:
        super().__init__(ui, "restore", *common)
        self._form = RestoreForm(ui, self._chose)
        self._inputs = self._form.inputs
        ui.showButton.connect("clicked(bool)", lambda _checked: self.show())
        self._forgetResults()
        self._setActions(
            Action(
                ui.applyButton, _("Restore"), _("To restore: {wishes}"),
                _("Distort the volume, restore it with the model, and show both beside the original"),
                self._start, self._onRestored, self._missing,
            )
        )  # fmt: skip

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the choices in the scene's parameter node; None: let go of it."""
        self._form.setParameterNode(parameterNode)

    def show(self) -> None:
        """Show the four views: at the end of a run, and after the user has looked at something else."""
        try:
            requirePresent([getattr(self.restoration, name) for name in IMAGES], _("Restore the volume again"))
            self._show(fourUpSteps(self.restoration, self._layoutManager()))
        except Exception as error:  # the border of a Qt slot: what is raised beyond it is only printed
            self.showError(error)

    def showRestoration(self, restoration) -> None:
        """Show a restoration of the scene, its numbers too."""
        self.restoration = restoration
        self.ui.resultLabel.text = _("{name}, compared with the original:").format(name=restoration.folderName)
        showMetrics(self.ui.metricsTable, restoration.table)
        self.ui.resultSection.visible = True
        self.show()

    def _forgetResults(self) -> None:
        self.restoration = None
        self.ui.resultSection.visible = False

    def _volumes(self) -> list:
        return [self._form.volumeNode]

    def _start(self, *callbacks):
        return self._ask("restore", self._form.volumeNode, callbacks, **self._form.options())

    def _missing(self) -> list[str]:
        node = self._form.volumeNode
        return unfulfilled(
            (node is not None and not isFlat(node), _("load a CT or MR volume")),
            *self._modelWishes(_("choose a Models Genesis model")),
        )

    def _onRestored(self, restoration) -> None:
        self.ui.restoreStatus.text = withNotes("", restoration.info)
        numbers = {row["image"]: row.get("psnr") for row in restoration.table}
        known = {name: value for name, value in numbers.items() if value is not None}
        text = _("{name}: PSNR {distorted:.1f} dB distorted, {restored:.1f} dB restored")
        if {"distorted", "restored"} <= known.keys():
            self.step.summarize(text.format(name=self._form.volumeNode.GetName(), **known))
        self.showRestoration(restoration)


def showMetrics(widget, rows) -> None:
    """Show a restoration's metrics in a QTableWidget, numbers rounded for reading."""
    titles = {"image": _("Image"), "mse": _("MSE"), "psnr": _("PSNR (dB)"), "ssim": _("SSIM")}
    columns = list(rows[0]) if rows else []
    texts = [[_text(name, row[name]) for name in columns] for row in rows]
    fillRows(widget, [titles.get(name, name) for name in columns], texts)


def _text(column: str, value: Any) -> str:
    if column == "image":
        names = {"distorted": _("Distorted"), "restored": _("Restored"), "constant mean": _("Constant mean")}
        return names.get(value, value)
    return "-" if value is None else FORMATS.get(column, "{:.4g}").format(value)
