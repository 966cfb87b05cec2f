"""One setting of a form: the widget that fits its type and range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from medssl.core.errors import ConfigError
from MedSSLLib.widgets.fitting import fitCombo

LARGEST_SPIN = 2**31 - 1


@dataclass(frozen=True)
class ConfigField:
    """A widget with a way to read and to write its value."""

    name: str
    widget: Any
    values: Callable[[], Any]
    setValues: Callable[[Any], None]
    toolTip: str = ""  # what the setting means

    def equals(self, value: Any) -> bool:
        """Whether the widget shows this value, as exactly as it can show it."""
        try:
            shown = self.values()
        except ConfigError:
            return False
        return abs(shown - value) < 1e-9 * max(1.0, abs(value)) if isinstance(value, float) else shown == value


def makeField(field: dict[str, Any], changed: Callable[[], None]) -> ConfigField:
    """The widget for a description of `medssl.core.schema.describe` (any type but group).

    Args:
        field: the description.
        changed: called when the user edits.
    """
    made = replace(_maker(field)(field, changed), toolTip=toolTip(field))
    made.widget.toolTip = made.toolTip
    made.setValues(field["default"])
    return made


def toolTip(field: dict[str, Any]) -> str:
    """Description, range and unit."""
    low, high, unit = field["minimum"], field["maximum"], field["unit"]
    bounds = {
        (False, False): _("{low:g} to {high:g}"),
        (False, True): _("at least {low:g}"),
        (True, False): _("at most {high:g}"),
    }.get((low is None, high is None), "")
    extent = " ".join(part for part in (bounds.format(low=low or 0, high=high or 0) if bounds else "", unit) if part)
    return f"{field['description']} ({extent})" if extent else field["description"]


def _maker(field: dict[str, Any]) -> Callable:
    kind = field["type"]
    if kind == "number":
        bounded = None not in (field["minimum"], field["maximum"])
        if bounded and field["minimum"] == 0 and field["maximum"] <= 1:
            return _slider
        return _double if bounded and not 0 < field["minimum"] < 1e-3 else _number
    if kind == "string":
        return _combo if field["choices"] else _line
    return {"integer": _spin, "boolean": _check, "integers": _spins}[kind]


def _slider(field, changed) -> ConfigField:
    widget = ctk.ctkSliderWidget()
    fine = field["maximum"] < 1 or round(field["default"], 2) != field["default"]  # such as a momentum of 0.999
    widget.decimals = 4 if fine else 2
    widget.minimum, widget.maximum, widget.singleStep = field["minimum"], field["maximum"], 0.05
    widget.connect("valueChanged(double)", lambda _value: changed())
    return ConfigField(field["name"], widget, lambda: round(widget.value, 6), lambda v: _silently(widget, "value", v))


def _double(field, changed) -> ConfigField:
    widget = qt.QDoubleSpinBox()
    widget.decimals = 4 if field["maximum"] <= 100 else 2
    widget.minimum, widget.maximum = field["minimum"], field["maximum"]
    widget.singleStep = 0.01 if field["maximum"] <= 10 else 0.5 if field["maximum"] <= 100 else 10.0
    widget.suffix = f" {field['unit']}" if field["unit"] else ""
    if field["minimum"] == 0 and field["zero"]:
        widget.specialValueText = field["zero"]
    widget.connect("valueChanged(double)", lambda _value: changed())
    return ConfigField(field["name"], widget, lambda: round(widget.value, 6), lambda v: _silently(widget, "value", v))


def _number(field, changed) -> ConfigField:
    """A line for numbers that span many orders of magnitude, such as 4e-3."""
    widget = qt.QLineEdit()
    widget.connect("textEdited(QString)", lambda _text: changed())

    def read() -> float:
        try:
            return float(widget.text)
        except ValueError as error:
            rule, remedy = _("must be a number"), field["description"]
            raise ConfigError(f"{field['name']} = {widget.text!r}", rule, remedy, code="setting-type") from error

    return ConfigField(field["name"], widget, read, lambda v: _silently(widget, "text", f"{v:g}"))


def _spin(field, changed) -> ConfigField:
    widget = _makeSpin(field, changed)
    return ConfigField(field["name"], widget, lambda: widget.value, lambda v: _silently(widget, "value", v))


def _spins(field, changed) -> ConfigField:
    box = qt.QWidget()
    layout = qt.QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    spins = [_makeSpin({**field, "unit": ""}, changed) for _value in field["default"]]
    for spin in spins:
        layout.addWidget(spin)

    def write(values) -> None:
        for spin, value in zip(spins, values):
            _silently(spin, "value", value)

    return ConfigField(field["name"], box, lambda: [spin.value for spin in spins], write)


def _makeSpin(field, changed):
    widget = qt.QSpinBox()
    widget.minimum = -LARGEST_SPIN if field["minimum"] is None else int(field["minimum"])
    widget.maximum = LARGEST_SPIN if field["maximum"] is None else min(int(field["maximum"]), LARGEST_SPIN)
    widget.suffix = f" {field['unit']}" if field["unit"] else ""
    if field["minimum"] == 0 and field["zero"]:
        widget.specialValueText = field["zero"]
    widget.connect("valueChanged(int)", lambda _value: changed())
    return widget


def _check(field, changed) -> ConfigField:
    widget = qt.QCheckBox()
    widget.connect("toggled(bool)", lambda _on: changed())
    return ConfigField(field["name"], widget, lambda: widget.checked, lambda v: _silently(widget, "checked", v))


def _combo(field, changed) -> ConfigField:
    widget = qt.QComboBox()
    fitCombo(widget)
    widget.addItems(list(field["choices"]))
    widget.connect("currentIndexChanged(int)", lambda _index: changed())
    return ConfigField(
        field["name"], widget, lambda: widget.currentText,
        lambda v: _silently(widget, "currentIndex", widget.findText(v)),
    )  # fmt: skip


def _line(field, changed) -> ConfigField:
    widget = qt.QLineEdit()
    widget.connect("textEdited(QString)", lambda _text: changed())
    return ConfigField(field["name"], widget, lambda: widget.text, lambda v: _silently(widget, "text", v))


def _silently(widget, attribute: str, value: Any) -> None:
    """A value that the program sets is no edit of the user."""
    before = widget.blockSignals(True)
    setattr(widget, attribute, value)
    widget.blockSignals(before)
