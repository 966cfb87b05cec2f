"""The training set: choose, check, preview."""

from __future__ import annotations

from collections.abc import Callable

import ctk
from MedSSLLib.scene.madeNodes import isMade
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.steps import StepRunner
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.fitting import narrow, softLabel
from MedSSLLib.widgets.modelChoice import fillCombo
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from MedSSLPretrainLib.datasets.setReport import setsText
from MedSSLPretrainLib.datasets.setsBox import SetsBox
from MedSSLPretrainLib.labels.labelledVolumes import volumesOfScene
from MedSSLPretrainLib.panel.dataTexts import imagesText, modalityTitles, summaryText, viewTitles
from MedSSLPretrainLib.runs.trainingSteps import TrainingSet, checkSteps, previewSteps
from MedSSLPretrainLib.views.previewNodes import previewNodeSteps

SCENE, FOLDER, TABLE = "scene", "folder", "table"


class DataBox:
    """The widgets of the section "Training set".

    Signal: `changed()` when the choice or the ability to use it changed.

    Attributes: `sets`, the dataset specs, which take the place of everything else for a method that learns from them.

    Args:
        ui: widgets of the panel.
        backend: has `transport` and `changed`.
        method: returns (method name, config) or raises MedSSLError; the preview needs it.
        askPath: see `SetsBox`.
    """

    def __init__(self, ui, backend, method: Callable, askPath: Callable | None = None) -> None:
        self.changed = Signal()
        self.ui, self._backend, self._method, self._flat, self._usesSpecs = ui, backend, method, False, False
        self.sets = SetsBox(ui.setsFrame, backend, askPath)
        self.sets.changed.connect(self._chosen)
        self._runner, self._busy, self.previewNodes = None, "", ()
        fillCombo(ui.sourceCombo, {SCENE: _("Volumes of the scene"), FOLDER: _("Folder"), TABLE: _("Table (CSV)")})
        fillCombo(ui.modalityCombo, modalityTitles())
        fillCombo(ui.viewCombo, viewTitles())
        for widget in (ui.volumesSelector, ui.folderPath, ui.csvPath):
            narrow(widget)
        ui.folderPath.filters = ctk.ctkPathLineEdit.Dirs
        ui.csvPath.nameFilters = [_("Tables (*.csv)")]
        for signal, widget in (
            ("currentIndexChanged(int)", ui.sourceCombo), ("currentIndexChanged(int)", ui.modalityCombo),
            ("currentIndexChanged(int)", ui.viewCombo), ("textChanged(QString)", ui.excludeEdit),
            ("currentPathChanged(QString)", ui.folderPath), ("currentPathChanged(QString)", ui.csvPath),
            ("validInputChanged(bool)", ui.csvPath),  # the other one is silent where the name filter refuses the text
        ):  # fmt: skip
            widget.connect(signal, lambda _value: self._chosen())
        ui.volumesSelector.connect("checkedNodesChanged()", self._chosen)
        ui.checkButton.connect("clicked(bool)", lambda _on: self.check())
        ui.previewButton.connect("clicked(bool)", lambda _on: self.preview())
        backend.changed.connect(self.update)
        softLabel(ui.dataSummary)
        self._watch = SceneWatch(self._sceneChanged)
        self._sceneChanged()

    def chosen(self) -> TrainingSet:
        """The user's choice; it may be empty.

        Raises:
            MedSSLError: what is wrong with a dataset spec.
        """
        if self._usesSpecs:
            return TrainingSet(sets=self.sets.chosen(), startFrom=self.sets.weights.reference)
        ui, modality = self.ui, self.ui.modalityCombo.currentData or ""
        source = ui.sourceCombo.currentData
        if source == SCENE:
            volumes = tuple(ui.volumesSelector.checkedNodes())
            view = ui.viewCombo.currentData if self._needsView() else ""
            return TrainingSet(volumes=volumes, modality=modality, view=view)
        if source == FOLDER:
            return TrainingSet(path=ui.folderPath.currentPath.strip(), modality=modality)
        exclude = tuple(part.strip() for part in ui.excludeEdit.text.split(",") if part.strip())
        return TrainingSet(path=ui.csvPath.currentPath.strip(), modality=modality, exclude=exclude)

    def setMethod(self, flat: bool, usesSpecs: bool) -> None:
        """Whether the method learns from 2D images, and whether from dataset specs only."""
        if usesSpecs != self._usesSpecs:
            self._stop()
            self.ui.dataSummary.visible = False
            showError(self.ui.dataError, None)
        self._flat, self._usesSpecs = flat, usesSpecs
        self.update()

    def missing(self) -> str:
        """What the user still has to choose, or ""."""
        if self._usesSpecs:
            return self.sets.missing()
        chosen, source = self.chosen(), self.ui.sourceCombo.currentData
        if source == SCENE and not chosen.volumes:
            if self.ui.volumesSelector.nodeCount():
                return _("Tick at least one radiograph") if self._flat else _("Tick at least one volume")
            return (
                _("Load radiographs first (or take sample data)") if self._flat
                else _("Load a CT or MR volume first (or take sample data)")
            )  # fmt: skip
        if source != SCENE and not chosen.path:
            return _("Choose a folder") if source == FOLDER else _("Choose a table")
        wrong = next((part for part in chosen.exclude if not all(part.partition("="))), None)
        if wrong is not None:
            return _("Leave out: {text} is not of the form column=value").format(text=wrong)
        if self._needsView() and not chosen.view:
            return _("Choose what becomes of 3D volumes")
        return ""

    def summary(self) -> str:
        """The choice in a few words."""
        if self._usesSpecs:
            names = ", ".join(values.get("name") or _("(new)") for values in self.sets.specs)
            sets = counted(len(self.sets.specs), _("{count} set"), _("{count} sets"))
            return f"{sets}: {names}" if names else ""
        chosen = self.chosen()
        text = chosen.path
        if chosen.volumes:
            names = ", ".join(volume.GetName() for volume in chosen.volumes)
            text = f"{imagesText(len(chosen.volumes), self._flat)}: {names}"
        return ", ".join(part for part in (text, chosen.modality) if part) if text else ""

    def _needsView(self) -> bool:
        """Whether 3D volumes are ticked for a method that learns from 2D images."""
        volumes = self.ui.volumesSelector.checkedNodes() if self.ui.sourceCombo.currentData == SCENE else ()
        return self._flat and not all(isFlat(volume) for volume in volumes)

    def update(self) -> None:
        """Show the widgets of the source; say at the buttons what is missing."""
        self.ui.setsFrame.visible, self.ui.sourceFrame.visible = self._usesSpecs, not self._usesSpecs
        ui, source = self.ui, self.ui.sourceCombo.currentData
        for key, widgets in (
            (SCENE, (ui.volumesLabel, ui.volumesSelector)),
            (FOLDER, (ui.folderLabel, ui.folderPath)),
            (TABLE, (ui.csvLabel, ui.csvPath)),
        ):
            for widget in widgets:
                widget.visible = key == source
        ui.excludeLabel.visible = ui.excludeEdit.visible = source == TABLE
        ui.viewLabel.visible = ui.viewCombo.visible = self._needsView()
        missing = self.missing() or ("" if self._backend.transport is not None else _("Start the backend first"))
        texts = {"check": (_("Check"), _("Checking...")), "preview": (_("Preview"), _("Making samples..."))}
        tips = {
            "check": _("Read tables and labels, look for every file, show some images")
            if self._usesSpecs
            else _("Count volumes and patients, find the modality, read every header"),
            "preview": _("Show samples of the training set and their distortions in the slice views"),
        }
        for name, button in (("check", ui.checkButton), ("preview", ui.previewButton)):
            button.text = texts[name][self._busy == name]
            button.enabled = not missing and not self._busy
            button.toolTip = missing or tips[name]

    def check(self) -> None:
        """Ask the backend what is in the training set."""
        self._run("check", lambda loopback: checkSteps(self.chosen(), loopback), self._showInfo)

    def preview(self) -> None:
        """Ask the backend for samples and their distortions."""

        def show(conversation):
            _result, files = yield from conversation
            return (yield from previewNodeSteps(files))

        def steps(loopback: bool):
            return show(previewSteps(self.chosen(), loopback, *self._method()))

        self._run("preview", steps, self._previewed)

    def close(self) -> None:
        """Stop asking."""
        self._backend.changed.disconnect(self.update)
        self._watch.close()
        self.sets.close()
        self._stop()

    def _stop(self) -> None:
        if self._runner is not None:
            self._runner.stop()
        self._busy = ""

    def forgetNodes(self) -> None:
        """The scene is closing."""
        self._stop()
        self.previewNodes = ()

    def _run(self, name: str, steps: Callable, onDone: Callable) -> None:
        showError(self.ui.dataError, None)
        self._busy = name
        self.update()
        transport = self._backend.transport
        try:
            conversation = steps(transport.sharesFiles)
        except ValueError as error:  # the method's form holds a wrong value
            self._failed(error)
            return
        self._runner = StepRunner(conversation, transport, onDone, self._failed)
        self._runner.start()

    def _chosen(self) -> None:
        self.ui.dataSummary.visible = False
        showError(self.ui.dataError, None)
        self.update()
        self.changed.emit()

    def _done(self) -> None:
        self._busy = ""
        self.update()

    def _failed(self, error: Exception) -> None:
        self._done()
        showError(self.ui.dataError, error)

    def _showInfo(self, answer) -> None:
        self._done()
        info, files = answer
        if self._usesSpecs:
            self.sets.showReports(info, files)
        self.ui.dataSummary.text = setsText(info["sets"]) if self._usesSpecs else summaryText(info)
        self.ui.dataSummary.visible = True

    def _previewed(self, nodes) -> None:
        self.previewNodes = nodes
        self._done()

    def _sceneChanged(self) -> None:
        """Only volumes of the user's are offered."""
        selector = self.ui.volumesSelector
        made = [node.GetID() for node in volumesOfScene(everything=True) if isMade(node)]
        if list(selector.sortFilterProxyModel().hiddenNodeIDs) != made:
            selector.sortFilterProxyModel().hiddenNodeIDs = made
        self.update()
        self.changed.emit()  # the start button says what is missing, too
