"""The section "Compare": the same task from different weights, with several seeds and sizes, tested against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedSSLLib.steps import Steps
from MedSSLLib.widgets.fitting import narrow
from MedSSLLib.widgets.modelChoice import chosen, fillCombo
from MedSSLLib.widgets.signal import Signal
from MedSSLLib.widgets.uiFile import loadInto
from slicer.i18n import tr as _

from medssl.core.errors import ConfigError, MedSSLError
from MedSSLPretrainLib.labels.labelledSet import LabelledSet, learnsSegments
from MedSSLPretrainLib.panel.armsTable import ArmsTable
from MedSSLPretrainLib.panel.jobBox import UI_FOLDER, JobBox
from MedSSLPretrainLib.runs.compareSteps import (
    Comparison,
    budgetTitles,
    checkComparison,
    compareSteps,
    metricTitles,
    unitTitles,
)


class CompareBox(JobBox):
    """Fills a frame with the section; task, settings and volumes are those of the section "Fine-tune".

    Signal: `changed()` when the user chose something; see JobBox for the others.

    Args:
        frame: an empty widget of the panel with a layout.
        backend, running: as in JobBox.
        finetune: the FinetuneBox.
    """

    KINDS = ("compare",)

    def __init__(self, frame, backend, running: Callable[..., bool], finetune) -> None:
        super().__init__(loadInto(frame, UI_FOLDER / "MedSSLCompare.ui"), "compare", backend, running)
        ui = self.ui
        self._finetune, self._task = finetune, ""
        self.arms = ArmsTable(ui.armsTable)
        fillCombo(ui.unitCombo, unitTitles())
        fillCombo(ui.budgetCombo, budgetTitles())
        narrow(ui.tablePath)
        ui.tablePath.nameFilters = [_("Tables (*.csv)"), _("All files (*)")]
        for button, slot in ((ui.addArmButton, self.arms.add), (ui.removeArmButton, self.arms.removeSelected)):
            button.connect("clicked(bool)", lambda _on, slot=slot: slot())
        ui.armsTable.connect("itemSelectionChanged()", self._updateRemove)
        self._updateRemove()
        self.changed = Signal()
        self.arms.changed.connect(self._onChoice)
        for signal, widget in (
            ("textChanged(QString)", ui.sizesEdit), ("currentPathChanged(QString)", ui.tablePath),
            ("validInputChanged(bool)", ui.tablePath), ("textChanged(QString)", ui.tableLabelsEdit),
            ("currentIndexChanged(int)", ui.unitCombo), ("currentIndexChanged(int)", ui.referenceCombo),
            ("currentIndexChanged(int)", ui.metricCombo), ("currentIndexChanged(int)", ui.budgetCombo),
            ("valueChanged(int)", ui.seedsSpin), ("valueChanged(double)", ui.testSpin),
        ):  # fmt: skip
            widget.connect(signal, lambda _value: self._onChoice())
        finetune.chosenChanged.connect(self.update)
        finetune.models.listed.connect(self.arms.setModels)
        self._setJob(
            ui.compareButton, _("Compare"),
            _("Train every arm at every size with every seed; the report tests the differences"),
            _("Stop; what is finished is kept, and resumed"),
        )  # fmt: skip

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
            config = {**config, **({"labels": ui.tableLabelsEdit.text.strip()} if not learnsSegments(task) else {})}
        else:
            data = self._finetune.chosen()
        return Comparison(
            task, config, chosen(self._finetune.ui.presetCombo), data, self.arms.arms, chosen(ui.unitCombo), tuple(sizes),
            ui.seedsSpin.value, chosen(ui.metricCombo), chosen(ui.referenceCombo) or "", ui.testSpin.value,
            chosen(ui.budgetCombo),
        )  # fmt: skip

    def choices(self) -> dict[str, Any]:
        """What the user has put together, for the scene to keep."""
        ui = self.ui
        return {
            "arms": self.arms.arms, "unit": chosen(ui.unitCombo), "sizes": ui.sizesEdit.text, "seeds": ui.seedsSpin.value,
            "test": ui.testSpin.value, "metric": chosen(ui.metricCombo), "reference": chosen(ui.referenceCombo),
            "budget": chosen(ui.budgetCombo), "table": ui.tablePath.currentPath, "labels": ui.tableLabelsEdit.text,
        }  # fmt: skip

    def setChoices(self, kept: dict[str, Any]) -> None:
        """Show what `choices` said, maybe in another version; the task has its metrics by now."""
        ui = self.ui
        if kept.get("arms"):
            self.arms.set([(arm["name"], arm["weights"]) for arm in kept["arms"]])
        ui.sizesEdit.text, ui.tablePath.currentPath = kept.get("sizes", ""), kept.get("table", "")
        ui.tableLabelsEdit.text = kept.get("labels", "")
        ui.seedsSpin.value, ui.testSpin.value = (
            kept.get("seeds", ui.seedsSpin.value),
            kept.get("test", ui.testSpin.value),
        )
        self.update()
        combos = {
            "unit": ui.unitCombo,
            "budget": ui.budgetCombo,
            "metric": ui.metricCombo,
            "reference": ui.referenceCombo,
        }
        for key, combo in combos.items():
            combo.setCurrentIndex(max(0, combo.findData(kept.get(key))))

    def close(self) -> None:
        """The panel goes away: nobody asks any more; jobs go on."""
        super().close()
        self.arms.close()

    def summary(self) -> str:
        """The choice in a few words; "" while there is nothing to compare with."""
        names = [arm["name"] for arm in self.arms.arms]
        return _("Arms: {names}").format(names=", ".join(names)) if len(names) > 1 else ""

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
        ui.tableLabelsLabel.visible = ui.tableLabelsEdit.visible = not learnsSegments(task)
        _refill(ui.referenceCombo, {arm["name"]: arm["name"] for arm in self.arms.arms})
        super().update()

    def _steps(self, sharesFiles: bool) -> Steps:
        name = self.ui.compareNameEdit.text.strip()
        return compareSteps(self.comparison(), sharesFiles, name=name, device=self._backend.device)

    def _updateRemove(self) -> None:
        button, selected = self.ui.removeArmButton, self.arms.selected >= 0
        button.enabled = selected
        button.toolTip = _("Remove the selected arm") if selected else _("Select an arm first")

    def _onChoice(self) -> None:
        self.showError(None)
        self.update()
        self.changed.emit()


def _refill(combo, titles: dict[str, Any]) -> None:
    """Offer these, keeping the choice if it is still there; the program's doing is no edit of the user."""
    if [combo.itemData(n) for n in range(combo.count)] == list(titles):
        return
    before, wasBlocked = chosen(combo), combo.blockSignals(True)
    combo.clear()
    fillCombo(combo, titles)
    combo.setCurrentIndex(max(0, combo.findData(before)) if titles else -1)
    combo.blockSignals(wasBlocked)
