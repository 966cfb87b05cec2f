"""The section "Similar cases": a gallery of the images of a set that are most like one of the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.modelChoice import chosen
from slicer.i18n import tr as _

from MedSSLInferenceLib.panel.caseGallery import CaseGallery, caseText
from MedSSLInferenceLib.panel.runStates import Action, RunStates
from MedSSLInferenceLib.radiographs.radiographForm import viewTitles
from MedSSLInferenceLib.runs.retrieveRun import caseRun
from MedSSLInferenceLib.scene.caseNodes import showBeside

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLRetrieve.ui"
PURPOSES = ("ark", "peac", "genesis", "classification")


class RetrieveBox:
    """Fills a frame with the section.

    Attributes: `found`, what the last search left in the scene; `loaded`, the case that was loaded last.

    Args:
        frame, logic, models, layoutManager, device: as in SegmentBox.
    """

    def __init__(self, frame, logic, models, layoutManager: Callable, device: Callable[[], str]) -> None:
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        for widget in (self.widget, ui.retrieveSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self._logic, self._models, self._layoutManager, self._device = logic, models, layoutManager, device
        self.found = self.loaded = self._transport = self._parameterNode = None
        for key, title in {**viewTitles(), "": _("3D volume (as it is)")}.items():
            ui.retrieveViewCombo.addItem(title, key)
        self._find = Action(
            ui.retrieveButton, _("Find similar cases"), _("To search: {wishes}"),
            _("Describe the set's images once, and show those most like the chosen one"),
            self._startFinding, self._onFound, self._missing,
        )  # fmt: skip
        self._load = Action(
            ui.loadCaseButton, _("Load case"), _("To load: {wishes}"),
            _("Load the chosen case and show it beside the image"),
            self._startLoading, self._onLoaded, self._missingCase,
        )  # fmt: skip
        self._states = RunStates(
            [self._find, self._load], ui.retrieveProgress, ui.retrieveStatus, ui.retrieveError, self._onState
        )
        self.gallery = CaseGallery(ui.caseGallery, self._onCase, self._onOpened)
        self.gallery.clear()
        ui.retrieveSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self._onChoice())
        ui.amongPath.connect("currentPathChanged(QString)", lambda _path: self._onChoice())
        ui.amongFolderButton.connect("clicked(bool)", lambda _checked: self._chooseFolder())
        self._onCase()
        self._onChoice()

    @property
    def section(self):
        """The collapsible button."""
        return self.ui.retrieveSection

    @property
    def state(self) -> str:
        """One of runStates' names."""
        return self._states.state

    def setTransport(self, transport) -> None:
        """The backend is up, and this asynchronous transport reaches it; None: it is down."""
        self._transport = transport
        self.update()

    def setParameterNode(self, parameterNode) -> None:
        """Take and keep the set in the scene's parameter node; None: let go of it. Other widgets are bound by their names."""
        self._parameterNode = None
        if parameterNode is not None:
            self.ui.amongPath.currentPath = parameterNode.retrieveAmong
        self._parameterNode = parameterNode

    def forgetScene(self) -> None:
        """The scene is closed: its nodes are gone, and nobody waits for the result of a run."""
        self.found = self.loaded = None
        self.gallery.clear()
        self._onCase()
        self._states.reset()

    def close(self) -> None:
        """The panel goes away: nobody asks any more how a run gets on."""
        self._states.close()

    def update(self) -> None:
        """Bring buttons, tooltips and progress in line with choices and backend."""
        self._states.update()

    def _onChoice(self) -> None:
        ui, node = self.ui, self.ui.retrieveSelector.currentNode()
        if self._parameterNode is not None:
            self._parameterNode.retrieveAmong = ui.amongPath.currentPath
        ui.retrieveViewLabel.visible = ui.retrieveViewCombo.visible = node is not None and not isFlat(node)
        self.update()

    def _chooseFolder(self) -> None:
        title = _("Folder of images")
        folder = qt.QFileDialog.getExistingDirectory(self.widget, title, self.ui.amongPath.currentPath)
        if folder:
            self.ui.amongPath.currentPath = folder

    def _startFinding(self, onProgress, onFinished, onFailed):
        ui = self.ui
        run = self._logic.run(
            "retrieve", ui.retrieveSelector.currentNode(), self._models.reference, among=ui.amongPath.currentPath.strip(),
            view=chosen(ui.retrieveViewCombo), count=ui.retrieveCountSpin.value, onProgress=onProgress,
            same_patient=ui.samePatientCheck.checked, device=self._device(),
        )  # fmt: skip
        return run.start(self._transport, onFinished, onFailed)

    def _missing(self) -> list[str]:
        wishes = [
            (self.ui.retrieveSelector.currentNode() is not None, _("load a radiograph or a volume")),
            (bool(self.ui.amongPath.currentPath.strip()), _("choose the images to search among")),
            (self._transport is not None, _("start the backend")),
            (bool(self._models.reference), _("choose a model or a weight file")),
            (self._models.fits(*PURPOSES), _("choose a pretrained model or a classifier")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onFound(self, found) -> None:
        self.found = found
        self.gallery.show(found.table, found.pictures)
        info = found.info
        notes = [_("{count} images searched.").format(count=info["images"])]
        if info["added"] or info["changed"]:
            seconds, new = info["index_s"], info["added"] + info["changed"]
            notes.append(_("{new} of them were described now, in {seconds:.0f} s.").format(new=new, seconds=seconds))
        notes += [f"{note}." for note in info.get("notes", ())]
        self.ui.retrieveStatus.text = " ".join(notes)

    def _startLoading(self, onProgress, onFinished, onFailed):
        return caseRun(self.found, self.gallery.row["rank"], onProgress).start(self._transport, onFinished, onFailed)

    def _missingCase(self) -> list[str]:
        wishes = [
            (self.found is not None and self.gallery.row is not None, _("choose a case")),
            (self._transport is not None, _("start the backend")),
        ]
        return [text for fulfilled, text in wishes if not fulfilled]

    def _onLoaded(self, node) -> None:
        self.loaded = node
        showBeside(self.found.volume, node, self._layoutManager())
        self.ui.retrieveStatus.text = _("{name} is in the scene.").format(name=node.GetName())

    def _onCase(self) -> None:
        row = self.gallery.row
        self.ui.caseLabel.text = caseText(row) if row is not None else ""
        self.ui.caseLabel.visible = self.ui.loadCaseButton.visible = row is not None
        self.update()

    def _onOpened(self) -> None:
        if not self._states.busy and not self._missingCase():
            self._states.click(self._load)

    def _onState(self) -> None:
        ui = self.ui
        for widget in (
            ui.retrieveSelector, ui.retrieveViewCombo, ui.amongPath, ui.amongFolderButton, ui.retrieveCountSpin,
            ui.samePatientCheck,
        ):  # fmt: skip
            widget.enabled = not self._states.busy
