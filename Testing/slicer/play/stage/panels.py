"""Both panels as scenarios see them: the one place that knows the names of their widgets and boxes."""

from __future__ import annotations

from typing import Any

import slicer

from stage import app
from stage.driver import Skipped
from stage.forms import TINY, fill, tick

END = ("finished", "failed", "cancelled", "interrupted")


class _Panel:
    """What both panels have. Everything is looked up anew: a reload makes other objects."""

    MODULE = ""

    @property
    def widget(self):
        """The module's Python widget."""
        return slicer.util.getModuleWidget(self.MODULE)

    @property
    def ui(self):
        """The widgets of the module's main .ui file."""
        return self.widget.ui

    @property
    def panel(self):
        """What keeps the boxes together."""
        return self.widget.panel

    @property
    def backend(self):
        """The backend box."""
        raise NotImplementedError

    @property
    def installing(self):
        """The widgets that create an environment, with `installButton`."""
        return self.backend.installing.ui

    def open(self):
        """Select the module."""
        yield from app.open(self.MODULE)

    def connect(self, stage, seconds: float = 120.0):
        """Start the backend, where it does not run, and wait for it."""
        button = self.backend.ui.startButton
        if self.backend.transport is None and button.enabled:
            button.click()
        yield from stage.until(lambda: self.backend.transport is not None, "the backend", seconds)
        yield 1.0


class Pretrain(_Panel):
    """The panel of MedSSL Pretrain."""

    MODULE = "MedSSLPretrain"

    @property
    def backend(self):
        """The backend box."""
        return self.widget.backend

    @property
    def data(self):
        """The section of the training set."""
        return self.panel.dataBox

    @property
    def sets(self):
        """Its dataset specs."""
        return self.panel.dataBox.sets

    @property
    def tuning(self):
        """The section "Fine-tune"."""
        return self.panel.finetuneBox

    @property
    def history(self):
        """The list of jobs."""
        return self.panel.history

    @property
    def job(self):
        """The followed job as last seen, or None."""
        return self.panel.runBox.view

    @property
    def state(self) -> str:
        """Of the followed job."""
        return self.job.status.state if self.job is not None else ""

    @property
    def chart(self):
        """The loss chart."""
        return self.panel.runBox.chart

    @property
    def plotView(self):
        """Where the chart is drawn, once its section was opened."""
        self.ui.runSection.collapsed = False
        return self.panel.runBox._plotView

    def choose(self, volumes) -> None:
        """Tick these volumes and no others."""
        tick(self.ui.volumesSelector, volumes)

    def chooseMethod(self, name: str) -> None:
        """Choose a method."""
        self.ui.methodCombo.setCurrentIndex(self.ui.methodCombo.findData(name))

    def chooseModality(self, name: str) -> None:
        """Say what the images are of."""
        self.ui.modalityCombo.setCurrentIndex(self.ui.modalityCombo.findData(name))

    def set(self, **settings: Any) -> None:
        """Settings of the method's form; two underscores stand for a dot."""
        fill(self.panel.methodBox.form, {name.replace("__", "."): value for name, value in settings.items()})

    def setTiny(self, **settings: Any) -> None:
        """Those of a short training, and further ones."""
        fill(self.panel.methodBox.form, TINY)
        self.set(**settings)

    def check(self, stage):
        """Click *Check* and wait; returns the summary."""
        assert self.ui.checkButton.enabled, f"cannot check: {self.ui.checkButton.toolTip}"
        self.ui.checkButton.click()
        yield from stage.until(lambda: not self.data.busy, "the check", 300)
        yield 0.3
        assert not self.ui.dataError.visible, self.ui.dataError.text
        return self.ui.dataSummary.text

    def preview(self, stage):
        """Click *Preview* and wait; returns the nodes."""
        assert self.ui.previewButton.enabled, f"cannot preview: {self.ui.previewButton.toolTip}"
        self.ui.previewButton.click()
        yield 0.1
        yield from stage.until(lambda: not self.data.busy, "the preview", 300)
        assert not self.ui.dataError.visible, self.ui.dataError.text
        return self.data.previewNodes

    def start(self, stage, name: str):
        """Click *Start pretraining* and wait until the job runs or has ended."""
        self.ui.nameEdit.text = name
        assert self.ui.startButton.enabled, f"cannot start: {self.ui.startButton.toolTip}"
        self.ui.startButton.click()
        yield from self.follow(stage, name)

    @property
    def _errors(self) -> tuple:
        """Where it stands why a job did not start."""
        return self.ui.startError, self.ui.runError, self.tuning.ui.finetuneError

    def follow(self, stage, name: str):
        """Wait until the job of this name is followed and runs, or has ended."""
        yield from stage.until(
            lambda: self._named(name) or any(label.visible for label in self._errors),
            "the job",
            300,
        )
        assert self._named(name), "; ".join(label.text for label in self._errors if label.visible)
        yield from stage.until(lambda: self.state in ("running", *END), "the job to run", 300)

    def ended(self, stage, state: str = "finished", seconds: float = 600.0):
        """Wait for the end of the followed job."""
        if self.job is None:
            raise Skipped("no job was started")
        yield from stage.until(lambda: self.state in END, "the job's end", seconds)
        yield 1.0
        assert self.state == state, f"{self.state}, not {state}: {self.ui.runError.text}"

    def select(self, name: str) -> None:
        """Select the newest job of this name in the list."""
        row = next((n for n, view in enumerate(self.history.views) if view.spec.name == name), None)
        assert row is not None, f"no job {name} among {[view.spec.name for view in self.history.views]}"
        self.ui.jobsTable.selectRow(row)

    def jobState(self, name: str) -> str:
        """The state of the newest job of this name."""
        return next((view.status.state for view in self.history.views if view.spec.name == name), "")

    def _named(self, name: str) -> bool:
        return self.job is not None and self.job.spec.name == name


class Inference(_Panel):
    """The panel of MedSSL Inference."""

    MODULE = "MedSSLInference"

    @property
    def backend(self):
        """The backend box."""
        return self.widget.backendBox

    @property
    def restore(self):
        """The section "Restore"."""
        return self.panel.restore

    @property
    def radiographs(self):
        """The section "Compare radiographs"."""
        return self.panel.radiographs

    @property
    def segment(self):
        """The section "Segment"."""
        return self.panel.segment

    @property
    def predict(self):
        """The section "Predict"."""
        return self.panel.predict

    @property
    def retrieve(self):
        """The section "Similar cases"."""
        return self.panel.retrieve

    def chooseModel(self, stage, model: str):
        """Choose a model by its job id or path, once it is listed."""
        self.panel.refreshModels()
        listed = self.ui.modelCombo
        yield from stage.until(lambda: listed.findData(model) >= 0, f"the model {model} to be listed", 60)
        self.panel.models.select(model)
        yield 0.4

    def finish(self, stage, box, button, seconds: float = 400.0, state: str = "finished"):
        """Click a button of a section and wait for the end of what it starts."""
        yield from stage.until(lambda: button.enabled, f"the button {button.text} (it says: {button.toolTip})", 20)
        button.click()
        yield from stage.until(lambda: box.state in ("finished", "failed"), button.text, seconds)
        yield 1.5
        assert box.state == state, f"{box.state}: {box._errorLabel.text}"
        assert state != "finished" or not box._errorLabel.visible, box._errorLabel.text

    def showTab(self, number: int) -> None:
        """A tab of "Compare radiographs": correspond, find, parts, map, landmarks."""
        self.radiographs.ui.tabs.currentIndex = number

    def findPoint(self, number: int):
        """The node of the point that is looked for in image `number` of the comparison."""
        group = self.radiographs.group
        if group is None:
            raise Skipped("nothing was compared")
        return group.get("find", number)


pretrain, inference = Pretrain(), Inference()
