"""The method, or the task: preset and the generated form."""

from __future__ import annotations

import json
from typing import Any

from MedSSLLib.widgets.configForm import ConfigForm, checkedForm
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.fitting import fitCombo
from MedSSLLib.widgets.signal import Signal
from slicer.i18n import tr as _

from medssl.tasks.described import describe_methods, describe_tasks
from MedSSLPretrainLib.panel.restingSettings import restingSettings

FIRST_PRESET = "laptop"  # finishes within minutes anywhere
CHIEF = ("backbone", "base_width", "epochs", "training.steps", "training.batch_size")  # settings that are shown at once


def knownMethods() -> list[dict[str, Any]]:
    """The methods of the package that came with the extension, as `GET /methods` describes them."""
    return json.loads(json.dumps(describe_methods()))  # as it arrives from the backend, so that equal ones are equal


def knownTasks() -> list[dict[str, Any]]:
    """Its downstream tasks, as `GET /tasks` describes them."""
    return json.loads(json.dumps(describe_tasks()))


class MethodBox:
    """The widgets of the section "Method"; those of the section "Fine-tune" have the same names.

    Signal: `changed()` when a setting changed.

    Attributes: `methods`, the descriptions; `form` of the chosen one.

    Args:
        ui: widgets of the panel.
        methods: descriptions as of `GET /methods` or `GET /tasks`.
        hidden: settings that the form leaves out, because the panel asks for them elsewhere.
        chief: dotted names of the settings that the form shows at once.
    """

    def __init__(
        self, ui, methods: list[dict[str, Any]], hidden: tuple[str, ...] = (), chief: tuple[str, ...] = CHIEF
    ) -> None:
        self.changed = Signal()
        self.ui, self.methods, self._hidden, self._chief, self.form = ui, [], hidden, chief, None
        for combo in (ui.methodCombo, ui.presetCombo):
            fitCombo(combo)
        ui.methodCombo.connect("currentIndexChanged(int)", lambda _index: self._showMethod())
        ui.presetCombo.connect("activated(int)", lambda _index: self._takePreset())
        self.setMethods(methods)

    def setMethods(self, methods: list[dict[str, Any]]) -> None:
        """Show other methods; the choice and edits stay as far as these know them."""
        if methods == self.methods:
            return
        if methods == self.methods:  # nothing is new, and no setting is to be seen at another value for a moment
            return
        before = self.choice() if self.methods else None
        self.methods = methods
        combo = self.ui.methodCombo
        combo.blockSignals(True)
        combo.clear()
        for method in methods:
            combo.addItem(method["title"], method["name"])
        combo.blockSignals(False)
        self._showMethod()
        if before is not None:
            self.setChoice(*before)

    def choice(self) -> tuple[str, str, dict[str, Any]]:
        """Method, preset, and the settings; those of the preset while the form holds a text that is no number."""
        preset = self.ui.presetCombo.currentData
        values, _error = checkedForm(self.form)
        return self.name, preset, values if values is not None else self._method()["presets"][preset]

    def setChoice(self, name: str, preset: str, config: dict[str, Any]) -> None:
        """Show a choice that was kept, maybe by another version: what is not known here stays as it is."""
        row = self.ui.methodCombo.findData(name)
        if row < 0:
            return
        self.ui.methodCombo.setCurrentIndex(row)
        if preset in self._method()["presets"]:
            self.setPreset(preset)
        self.form.setValues(_merged(self._method()["presets"][self.ui.presetCombo.currentData], config))
        self._edited()

    def spec(self) -> tuple[str, dict[str, Any]]:
        """Method name and complete config.

        Raises:
            ConfigError: a text that is no number.
        """
        return self._method()["name"], self.form.values()

    @property
    def flat(self) -> bool:
        """Whether the method learns from 2D images: those that learn from volumes have a setting `cube`."""
        return not any(field["name"] == "cube" for field in self._method()["fields"])

    @property
    def usesSpecs(self) -> bool:
        """Whether the method learns from dataset specs, and from nothing else."""
        return self._method()["declared"]

    @property
    def name(self) -> str:
        """The chosen method's or task's name."""
        return self._method()["name"]

    def summary(self) -> str:
        """The choice in a few words."""
        values, _error = checkedForm(self.form)
        parts = [self._method()["title"], self.ui.presetCombo.currentText]
        if values and values.get("epochs"):
            parts.append(counted(values["epochs"], _("{count} epoch"), _("{count} epochs")))
        elif values and "training" in values:
            parts.append(counted(values["training"]["steps"], _("{count} step"), _("{count} steps")))
        return ", ".join(parts)

    def missing(self) -> str:
        """What is wrong with the form, or ""."""
        _values, error = checkedForm(self.form)
        return str(error) if error else ""

    def setPreset(self, name: str) -> None:
        """Choose a preset as the user would."""
        self.ui.presetCombo.currentIndex = self.ui.presetCombo.findData(name)
        self._takePreset()

    def _method(self) -> dict[str, Any]:
        return self.methods[max(0, self.ui.methodCombo.currentIndex)]

    def _showMethod(self) -> None:
        method = self._method()
        self.ui.methodCombo.toolTip = method["description"]
        fields = [one for one in method["fields"] if one["name"] not in self._hidden]
        self.form = ConfigForm(self.ui.formFrame, fields, self._chief)
        self.form.changed.connect(self._edited)
        combo = self.ui.presetCombo
        combo.blockSignals(True)
        combo.clear()
        for name in method["presets"]:
            combo.addItem(name, name)
        combo.blockSignals(False)
        self.setPreset(FIRST_PRESET if FIRST_PRESET in method["presets"] else next(iter(method["presets"])))

    def _takePreset(self) -> None:
        self.form.setValues(self._method()["presets"][self.ui.presetCombo.currentData])
        self._edited()

    def _edited(self) -> None:
        """Mark the preset's name while the form says something else; let settings rest that do not count."""
        values, _error = checkedForm(self.form)
        if values is not None:
            self.form.rest(restingSettings(values))
        combo = self.ui.presetCombo
        for row in range(combo.count):
            name = combo.itemData(row)
            changed = self.form.differences(self._method()["presets"][name]) if row == combo.currentIndex else []
            combo.setItemText(row, _("{name} (changed)").format(name=name) if changed else name)
            if row == combo.currentIndex:
                combo.toolTip = _("Changed: {settings}").format(settings=", ".join(changed)) if changed else ""
        self.changed.emit()


def _merged(known: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """A complete tree with those kept values that it has a place for."""
    found = {}
    for name, value in known.items():
        other = kept.get(name, value)
        if isinstance(value, dict):
            found[name] = _merged(value, other if isinstance(other, dict) else {})
        else:
            found[name] = other if _alike(value, other) else value
    return found


def _alike(value: Any, other: Any) -> bool:
    numbers = (int, float)
    if isinstance(value, list):
        return isinstance(other, list) and len(other) == len(value)
    return type(other) is type(value) or (type(value) in numbers and type(other) in numbers)
