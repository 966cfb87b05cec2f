"""A form generated from the settings that `GET /methods` describes: groups nest, advanced ones are folded away."""

from __future__ import annotations

from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from medssl.core.errors import ConfigError
from MedSSLLib.widgets.configField import ConfigField, makeField
from MedSSLLib.widgets.signal import Signal


class ConfigForm:
    """Widgets for a list of field descriptions, as `medssl.core.schema.describe` makes them.

    Signal: `changed()` when the user edits anything.

    Args:
        parent: a widget with a layout; what it holds is replaced.
        fields: the descriptions.
    """

    def __init__(self, parent, fields: list[dict[str, Any]]) -> None:
        self.changed = Signal()
        self.fields: dict[str, ConfigField | ConfigForm] = {}
        layout = parent.layout()
        while layout.count():
            old = layout.takeAt(0).widget()
            old.visible = (
                False  # deleted only when the event loop comes to it, and painted over the new form until then
            )
            old.deleteLater()
        self._box = qt.QWidget()
        layout.addWidget(self._box)
        self._form = qt.QFormLayout(self._box)
        self._form.setContentsMargins(0, 0, 0, 0)
        plain = [f for f in fields if f["type"] != "group"]
        for field in (f for f in plain if not f["advanced"]):
            self._add(self._form, field)
        self._advanced = self._section(_("Advanced"), collapsed=True)
        inside = qt.QFormLayout(self._advanced)
        for field in (f for f in plain if f["advanced"]):
            self._add(inside, field)
        self._advanced.visible = any(f["advanced"] for f in plain)
        for field in (f for f in fields if f["type"] == "group"):
            self._addGroup(field)
        self._form.addRow(self._advanced)

    def values(self) -> dict[str, Any]:
        """The complete tree.

        Raises:
            ConfigError: a text that is no number.
        """
        return {name: part.values() for name, part in self.fields.items()}

    def setValues(self, values: dict[str, Any]) -> None:
        """Show a complete tree; emits nothing."""
        for name, part in self.fields.items():
            part.setValues(values[name])

    def differences(self, values: dict[str, Any], prefix: str = "") -> list[str]:
        """Dotted names of the settings that differ from a complete tree."""
        found = []
        for name, part in self.fields.items():
            if isinstance(part, ConfigForm):
                found += part.differences(values[name], f"{prefix}{name}.")
            elif not part.equals(values[name]):
                found.append(prefix + name)
        return found

    def _add(self, layout, description: dict[str, Any]) -> None:
        field = makeField(description, self.changed.emit)
        self.fields[description["name"]] = field
        label = qt.QLabel(title(description["name"]) + ":")
        label.toolTip = field.widget.toolTip
        layout.addRow(label, field.widget)

    def _addGroup(self, description: dict[str, Any]) -> None:
        section = self._section(title(description["name"]), collapsed=False)
        section.toolTip = description["description"]
        qt.QVBoxLayout(section)
        group = self.fields[description["name"]] = ConfigForm(section, description["fields"])
        group.changed.connect(self.changed.emit)
        self._form.addRow(section)

    def _section(self, text: str, collapsed: bool):
        section = ctk.ctkCollapsibleButton()
        section.text = text
        section.collapsed = collapsed
        return section


def title(name: str) -> str:
    """base_width -> Base width."""
    return name.replace("_", " ").capitalize()


def checkedForm(form: ConfigForm) -> tuple[dict[str, Any] | None, ConfigError | None]:
    """The form's values, or what is wrong with them."""
    try:
        return form.values(), None
    except ConfigError as error:
        return None, error
