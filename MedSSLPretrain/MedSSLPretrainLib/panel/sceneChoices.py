"""The panel's choices as the scene keeps them, beyond those that connectGui binds."""

from __future__ import annotations

import json

import qt
from MedSSLLib.widgets.modelChoice import chosen
from MedSSLLib.widgets.signal import Signal


class SceneChoices:
    """Training set, method and settings, between the widgets and the scene's parameter node.

    Signal: `changed()` when the user chose something that the scene keeps.

    Args:
        panel: the PretrainPanel.
    """

    def __init__(self, panel) -> None:
        self.changed = Signal()
        self._panel, self._ui = panel, panel.ui
        for box in (panel.dataBox, panel.methodBox, panel.finetuneBox.tasks, panel.compareBox):
            box.changed.connect(self.changed.emit)

    def restore(self, node) -> None:
        """Show what the scene says, and enable what can be done with it."""
        panel, ui = self._panel, self._ui
        _restoreMethod(panel.methodBox, node.method, node.preset, node.config)
        _restoreMethod(panel.finetuneBox.tasks, node.task if node.taskPreset else "", node.taskPreset, node.taskConfig)
        volumes = [volume for volume in node.volumes if volume is not None]  # None: removed from the scene meanwhile
        ticked = ui.volumesSelector.checkedNodes()
        for volume in ticked:  # those alone that change: what is known of a choice lasts as long as it
            if volume not in volumes:
                ui.volumesSelector.setCheckState(volume, qt.Qt.Unchecked)
        for volume in volumes:
            if volume not in ticked:
                ui.volumesSelector.setCheckState(volume, qt.Qt.Checked)
        for combo, data in (
            (ui.sourceCombo, node.source), (ui.modalityCombo, node.modality), (ui.viewCombo, node.view),
        ):  # fmt: skip
            combo.currentIndex = max(0, combo.findData(data))
        ui.folderPath.currentPath, ui.csvPath.currentPath = node.folder, node.table
        ui.excludeEdit.text = node.exclude
        panel.dataBox.sets.weights.select(node.setsWeights)
        panel.dataBox.sets.setSpecs(json.loads(node.sets or "[]"))
        panel.compareBox.setChoices(json.loads(node.comparison or "{}"))
        panel.dataBox.update()
        panel.update()

    def store(self, node) -> None:
        """Keep in the scene what the widgets say."""
        panel, ui = self._panel, self._ui
        node.volumes = list(ui.volumesSelector.checkedNodes())
        node.source, node.modality, node.view = map(chosen, (ui.sourceCombo, ui.modalityCombo, ui.viewCombo))
        node.folder, node.table = ui.folderPath.currentPath, ui.csvPath.currentPath
        node.exclude = ui.excludeEdit.text
        node.sets = json.dumps(panel.dataBox.sets.specs)
        node.setsWeights = panel.dataBox.sets.weights.reference
        node.method, node.preset, node.config = _kept(panel.methodBox)
        node.comparison = json.dumps(panel.compareBox.choices())
        _task, node.taskPreset, node.taskConfig = _kept(panel.finetuneBox.tasks)


def _restoreMethod(box, name: str, preset: str, config: str) -> None:
    """A scene without a method leaves the one on the screen; one with what is on it leaves that alone."""
    if name and (name, preset, json.loads(config or "{}")) != box.choice():
        box.setChoice(name, preset, json.loads(config or "{}"))


def _kept(box) -> tuple[str, str, str]:
    name, preset, config = box.choice()
    return name, preset, json.dumps(config)
