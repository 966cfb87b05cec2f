"""The section "Similar cases": a gallery of the images of a dataset that are most like one of the scene."""

from __future__ import annotations

import qt
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.actionBox import Action, unfulfilled
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.modelChoice import chosen, fillCombo
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.capabilities import EMBED
from MedSSLInferenceLib.panel.caseGallery import CaseGallery, caseText
from MedSSLInferenceLib.panel.inspectionBox import UI_FOLDER, InspectionBox, withNotes
from MedSSLInferenceLib.runs.radiographImages import viewTitles
from MedSSLInferenceLib.runs.retrieveRun import caseRun
from MedSSLInferenceLib.views.caseNodes import besideSteps


class RetrieveBox(InspectionBox):
    """Fills a frame with the section.

    Attributes: `found`, what the last search left in the scene; `loaded`, the case that was loaded last.

    Args:
        frame: an empty widget of the panel with a layout.
        common: logic, models, layoutManager and device, as in InspectionBox.
    """

    NEEDS = (EMBED,)
    OPENS = False  # it stands beside what a model is made for

    def __init__(self, frame, *common) -> None:
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLRetrieve.ui", "retrieveSelector"), "retrieve", *common)
        self.found = self.loaded = None
        ui = self.ui
        self._inputs = (
            ui.retrieveSelector, ui.retrieveViewCombo, ui.amongPath, ui.amongFolderButton, ui.retrieveCountSpin,
            ui.samePatientCheck,
        )  # fmt: skip
        fillCombo(ui.retrieveViewCombo, {**viewTitles(), "": _("3D volume (as it is)")})
        self.gallery = CaseGallery(ui.caseGallery, self._onCase, self._onOpened)
        self.gallery.clear()
        ui.retrieveSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._onChoice())
        ui.retrieveViewCombo.connect("currentIndexChanged(int)", lambda _index: self._onChoice())
        ui.amongPath.connect("currentPathChanged(QString)", lambda _path: self._onChoice())
        ui.amongFolderButton.connect("clicked(bool)", lambda _checked: self._chooseFolder())
        find = Action(
            ui.retrieveButton, _("Find similar cases"), _("To search: {wishes}"),
            _("Describe the images of the dataset once, and show those most like the chosen one"),
            self._startFinding, self._onFound, self._missing,
        )  # fmt: skip
        self._load = Action(
            ui.loadCaseButton, _("Load case"), _("To load: {wishes}"),
            _("Load the chosen case and show it beside the image"),
            self._startLoading, self._onLoaded, self._missingCase,
        )  # fmt: skip
        self._setActions(find, self._load)
        self._onCase()
        self._onChoice()

    def _takeChoices(self, parameterNode) -> None:
        self.ui.amongPath.currentPath = parameterNode.retrieveAmong
        combo = self.ui.retrieveViewCombo
        combo.setCurrentIndex(max(0, combo.findData(parameterNode.retrieveView)))

    def _forgetResults(self) -> None:
        self.found = self.loaded = None
        self.gallery.clear()
        self._onCase()

    def _onChoice(self) -> None:
        ui, node = self.ui, self.ui.retrieveSelector.currentNode()
        if self._parameterNode is not None:
            self._parameterNode.retrieveAmong = ui.amongPath.currentPath
            self._parameterNode.retrieveView = chosen(ui.retrieveViewCombo)
        ui.retrieveViewLabel.visible = ui.retrieveViewCombo.visible = node is not None and not isFlat(node)
        self.update()

    def _chooseFolder(self) -> None:
        title = _("Folder of images")
        folder = qt.QFileDialog.getExistingDirectory(self.section, title, self.ui.amongPath.currentPath)
        if folder:
            self.ui.amongPath.currentPath = folder

    def _startFinding(self, *callbacks):
        ui = self.ui
        return self._ask(
            "retrieve", ui.retrieveSelector.currentNode(), callbacks, among=ui.amongPath.currentPath.strip(),
            view=chosen(ui.retrieveViewCombo), count=ui.retrieveCountSpin.value, same_patient=ui.samePatientCheck.checked,
        )  # fmt: skip

    def _missing(self) -> list[str]:
        return unfulfilled(
            (self.ui.retrieveSelector.currentNode() is not None, _("load a radiograph or a volume")),
            (self.ui.amongPath.currentPath.strip(), _("choose the images to search among")),
            *self._modelWishes(_("choose a pretrained model or a classifier")),
        )

    def _onFound(self, found) -> None:
        self.found = found
        self.gallery.show(found.table, found.pictures)
        info = found.info
        text = counted(info["images"], _("{count} image searched."), _("{count} images searched."))
        if new := info["added"] + info["changed"]:
            described = _("{new} of them were described now, in {seconds:.0f} s.")
            text = f"{text} {described.format(new=new, seconds=info['index_s'])}"
        self.ui.retrieveStatus.text = withNotes(text, info)
        count = counted(len(found.table), _("{count} case"), _("{count} cases"))
        self.step.summarize(_("{count} similar to {name}").format(count=count, name=found.volume.GetName()))

    def _startLoading(self, onProgress, onFinished, onFailed):
        return caseRun(self.found, self.gallery.row["rank"], onProgress).start(self._transport, onFinished, onFailed)

    def _missingCase(self) -> list[str]:
        return unfulfilled(
            (self.found is not None and self.gallery.row is not None, _("choose a case")),
            (self._transport is not None, _("start the backend")),
        )

    def _onLoaded(self, node) -> None:
        self.loaded = node
        self.showCase(self.found.volume, node)
        self.ui.retrieveStatus.text = _("{name} is in the scene.").format(name=node.GetName())

    def showCase(self, image, case) -> None:
        """Show a loaded case beside the image that was asked about."""
        self._show(besideSteps(image, case, self._layoutManager()))

    def _onCase(self) -> None:
        row = self.gallery.row
        self.ui.caseLabel.text = caseText(row) if row is not None else ""
        self.ui.caseLabel.visible = self.ui.loadCaseButton.visible = row is not None
        self.update()

    def _onOpened(self) -> None:
        if not self.busy and not self._missingCase():
            self.click(self._load)
