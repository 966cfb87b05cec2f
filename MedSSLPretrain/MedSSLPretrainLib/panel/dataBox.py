"""The training set: choose, check, preview."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import qt
from MedSSLLib.scene.madeNodes import hideFrom, isMade
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.steps import Question, StepRunner
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
        self._question, self._showing, self._busy, self.previewNodes = None, None, "", ()
        self._about = None  # the choice that the summary, or what is being asked, is of
        self._settings = None  # those that a preview is being made with
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
        for button, ask in ((ui.checkButton, self.check), (ui.previewButton, self.preview)):
            button.connect("clicked(bool)", lambda _on, ask=ask: self.cancel() if self._busy else ask())
        backend.changed.connect(self.update)
        softLabel(ui.dataSummary)
        ui.dataProgress.setMinimumWidth(1)
        ui.dataProgress.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
        self._watch = SceneWatch(self._sceneChanged)
        self._sceneChanged()

    @property
    def busy(self) -> bool:
        """Whether a check or a preview is under way."""
        return bool(self._busy)

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
        """The method, or a setting of it: whether it learns from 2D images, and whether from dataset specs only."""
        if usesSpecs != self._usesSpecs:
            self._leave()
            self.ui.dataSummary.visible = False
            showError(self.ui.dataError, None)
        self._flat, self._usesSpecs = flat, usesSpecs
        if self._busy == "preview" and self._readSettings() != self._settings:
            self._leave()
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
        texts = {"check": _("Check"), "preview": _("Preview")}
        tips = {
            "check": _("Read tables and labels, look for every file, show some images")
            if self._usesSpecs
            else _("Count volumes and patients, find the modality, read every header"),
            "preview": _("Show samples of the training set and their distortions in the slice views"),
        }
        for name, button in (("check", ui.checkButton), ("preview", ui.previewButton)):
            active = self._busy == name
            button.text = _("Cancel") if active else texts[name]
            button.enabled = active or not (missing or self._busy)
            button.toolTip = _("Stop it, on the backend too") if active else missing or tips[name]
        ui.dataProgress.visible = bool(self._busy)

    def check(self) -> None:
        """Ask the backend what is in the training set."""
        chosen = self.chosen()
        self._run(
            "check",
            lambda loopback, stopped, onProgress: checkSteps(chosen, loopback, stopped, onProgress),
            lambda answer: self._showInfo(chosen, answer),
        )

    def preview(self) -> None:
        """Ask the backend for samples and their distortions."""

        def steps(loopback: bool, stopped: Callable, onProgress: Callable):
            return previewSteps(self.chosen(), loopback, *self._method(), stopped=stopped, onProgress=onProgress)

        self._run("preview", steps, self._showPreview)

    def cancel(self) -> None:
        """The user waits no more for a check or a preview."""
        self._leave()
        self.update()

    def close(self) -> None:
        """Stop asking."""
        self._backend.changed.disconnect(self.update)
        self._watch.close()
        self.sets.close()
        if self._question is not None:
            self._question.stop()
        self._leave()

    def _leave(self) -> None:
        """Nobody waits any more for what was asked."""
        if self._question is not None:
            self._question.leave()
        if self._showing is not None:
            self._showing.stop()
        self._question = self._showing = None
        self._busy = ""

    def forgetNodes(self) -> None:
        """The scene is closing."""
        self._leave()
        self._about, self.previewNodes = None, ()
        self.ui.dataSummary.visible = False

    def _run(self, name: str, steps: Callable, onDone: Callable) -> None:
        showError(self.ui.dataError, None)
        self._busy, self._about, self._settings = name, self._choice(), self._readSettings()
        self._showProgress(0.0, _("Sending the images"))
        self.update()
        transport = self._backend.transport
        try:
            self._question = Question(
                lambda stopped, onProgress: steps(transport.sharesFiles, stopped, onProgress),
                transport, onDone, self._failed, self._showProgress,
            )  # fmt: skip
        except ValueError as error:  # the method's form holds a wrong value
            self._failed(error)
            return
        self._question.start()

    def _readSettings(self) -> Any:
        """Method and settings; None while the form holds a wrong value."""
        try:
            return self._method()
        except ValueError:
            return None

    def _choice(self) -> Any:
        """What is chosen, also where it is not complete."""
        if self._usesSpecs:
            return [dict(values) for values in self.sets.specs], self.sets.weights.reference
        return self.chosen()

    def _chosen(self) -> None:
        if self._choice() != self._about:  # signals come without a change, too
            self._about = None
            self._leave()
            self.ui.dataSummary.visible = False
            showError(self.ui.dataError, None)
        self.update()
        self.changed.emit()

    def _showProgress(self, fraction: float, message: str) -> None:
        bar = self.ui.dataProgress
        bar.value = round(100 * fraction)
        bar.format = f"{message} %p%" if message else "%p%"
        bar.toolTip = message

    def _done(self) -> None:
        self._question = self._showing = None
        self._busy = ""
        self.update()

    def _failed(self, error: Exception) -> None:
        self._done()
        showError(self.ui.dataError, error)

    def _showInfo(self, asked: TrainingSet, answer) -> None:
        self._done()
        info, files = answer
        if asked.sets:
            self.sets.showReports(asked.sets, info, files)
        self.ui.dataSummary.text = setsText(info["sets"]) if asked.sets else summaryText(info)
        self.ui.dataSummary.visible = True

    def _showPreview(self, answer) -> None:
        _result, files = answer
        self._question = None
        self._showing = StepRunner(previewNodeSteps(files), None, self._previewed, self._failed)
        self._showing.start()

    def _previewed(self, nodes) -> None:
        self.previewNodes = nodes
        self._done()

    def _sceneChanged(self) -> None:
        """Only volumes of the user's are offered."""
        hideFrom(self.ui.volumesSelector, filter(isMade, volumesOfScene(everything=True)))
        self._chosen()  # a ticked volume may have gone; and the start button says what is missing, too
