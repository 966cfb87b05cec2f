"""The section "Compare": the same task from different weights, with several seeds and sizes, tested against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from MedSSLLib.steps import StepRunner
from MedSSLLib.widgets.errorText import showError
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.core.errors import ConfigError, MedSSLError
from MedSSLPretrainLib.labels.labelledSet import LabelledSet
from MedSSLPretrainLib.panel.armsTable import ArmsTable
from MedSSLPretrainLib.runs.compareSteps import Comparison, checkComparison, compareSteps, metricTitles, unitTitles

UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "MedSSLCompare.ui"
KINDS = ("compare",)


class CompareBox:
    """Fills a frame with the section; task, settings and volumes are those of the section "Fine-tune".

    Signals: `submitted(JobView)`; `cancelled()`, the user wants the followed job to stop.

    Args:
        frame: an empty widget of the panel with a layout.
        backend: has `transport`, `device` and `changed`.
        finetune: the FinetuneBox.
        running: whether the followed job is a comparison and not at its end.
    """

    def __init__(self, frame, backend, finetune, running: Callable[[], bool]) -> None:
        self.submitted, self.cancelled = Signal(), Signal()
        self.widget = slicer.util.loadUI(str(UI_FILE))
        frame.layout().addWidget(self.widget)
        self.ui = ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._backend, self._finetune, self._running, self._runner, self._task = backend, finetune, running, None, ""
        self.arms = ArmsTable(ui.armsTable)
        for key, title in unitTitles().items():
            ui.unitCombo.addItem(title, key)
        ui.tablePath.nameFilters = [_("Tables (*.csv)"), _("All files (*)")]
        for button, slot in (
            (ui.addArmButton, self.arms.add), (ui.removeArmButton, self.arms.removeSelected),
            (ui.compareButton, self._startOrCancel),
        ):  # fmt: skip
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
        self.arms.changed.connect(self.update)
        for signal, widget in (
            ("textChanged(QString)", ui.sizesEdit), ("currentPathChanged(QString)", ui.tablePath),
            ("validInputChanged(bool)", ui.tablePath), ("textChanged(QString)", ui.tableLabelsEdit),
            ("currentIndexChanged(int)", ui.unitCombo), ("currentIndexChanged(int)", ui.referenceCombo),
        ):  # fmt: skip
            widget.connect(signal, lambda _value: self._onChoice())
        finetune.chosenChanged.connect(self.update)
        finetune.models.listed.connect(self.arms.setModels)
        backend.changed.connect(self.update)
        showError(ui.compareError, None)
        self.update()

    def comparison(self) -> Comparison:
        """What the user has put together.

        Raises:
            ConfigError: a setting of the task, or a size that is no number.
        """
        ui, (task, config) = self.ui, self._finetune.tasks.spec()
        sizes = []
        for text in ui.sizesEdit.text.replace(";", ",").split(","):
            try:
                sizes += [float(text) if chosen(ui.unitCombo) == "fractions" else int(text)] if text.strip() else []
            except ValueError as error:
                rule, remedy = _("is no size"), _("Write numbers separated by commas, such as 5, 10, 20")
                raise ConfigError(text.strip(), rule, remedy) from error
        path = ui.tablePath.currentPath.strip()
        if path:
            data = LabelledSet(path=path)
            config = {**config, **({"labels": ui.tableLabelsEdit.text.strip()} if task != "segmentation" else {})}
        else:
            data = self._finetune.chosen()
        return Comparison(
            task, config, chosen(self._finetune.ui.presetCombo), data, self.arms.arms, chosen(ui.unitCombo), tuple(sizes),
            ui.seedsSpin.value, chosen(ui.metricCombo), chosen(ui.referenceCombo) or "", ui.testSpin.value,
        )  # fmt: skip

    def missing(self) -> str:
        """Why no comparison can start now, or ""."""
        if self._backend.transport is None:
            return _("Start the backend first")
        try:
            checkComparison(self.comparison())
        except MedSSLError as error:
            return str(error)
        return ""

    def update(self) -> None:
        """Bring choices, button and status up to date."""
        ui, task = self.ui, self._finetune.tasks.name
        if task != self._task:
            self._task = task
            _refill(ui.metricCombo, metricTitles(task))
        ui.tableLabelsLabel.visible = ui.tableLabelsEdit.visible = task != "segmentation"
        _refill(ui.referenceCombo, {arm["name"]: arm["name"] for arm in self.arms.arms})
        missing, cancels, sending = self.missing(), self._running(), self._runner is not None
        ui.compareButton.text = _("Cancel") if cancels else _("Sending...") if sending else _("Compare")
        ui.compareButton.enabled = not sending and (cancels or not missing)
        tip = _("Train every arm at every size with every seed; the report tests the differences")
        ui.compareButton.toolTip = _("Stop; what is finished is kept, and resumed") if cancels else missing or tip
        ui.compareStatus.text = "" if cancels or sending else missing
        ui.compareStatus.visible = bool(ui.compareStatus.text)

    def start(self) -> None:
        """Send what travels, and start the job."""
        self._showError(None)
        transport = self._backend.transport
        steps = compareSteps(
            self.comparison(), transport.sharesFiles, name=self.ui.compareNameEdit.text.strip(),
            device=self._backend.device,
        )  # fmt: skip
        self._runner = StepRunner(steps, transport, self._onSubmitted, self._onFailed)
        self.update()
        self._runner.start()

    def close(self) -> None:
        """Stop asking."""
        self.forget()
        self._backend.changed.disconnect(self.update)

    def forget(self) -> None:
        """Nobody waits any more for what is being sent."""
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def _startOrCancel(self) -> None:
        if self._running():
            self.cancelled.emit()
        else:
            self.start()

    def _onChoice(self) -> None:
        self._showError(None)
        self.update()

    def _onSubmitted(self, view) -> None:
        self._runner = None
        self.submitted.emit(view)
        self.update()

    def _onFailed(self, error: Exception) -> None:
        self._runner = None
        self.update()
        self._showError(error)

    def _showError(self, error: Exception | None) -> None:
        showError(self.ui.compareError, error)


def _refill(combo, titles: dict[str, Any]) -> None:
    """Offer these, keeping the choice if it is still there; the program's doing is no edit of the user."""
    if [combo.itemData(n) for n in range(combo.count)] == list(titles):
        return
    before, wasBlocked = chosen(combo), combo.blockSignals(True)
    combo.clear()
    for key, title in titles.items():
        combo.addItem(title, key)
    combo.setCurrentIndex(max(0, combo.findData(before)) if titles else -1)
    combo.blockSignals(wasBlocked)
