"""A form generated from the settings that `GET /methods` describes: the chief ones at once, all others folded away."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from medssl.core.errors import ConfigError
from MedSSLLib.widgets.configField import ConfigField, makeField
from MedSSLLib.widgets.fitting import fitForm, readableBoxes, softLabel
from MedSSLLib.widgets.keyboard import orderByParts
from MedSSLLib.widgets.signal import Signal

Tree = dict[str, Any]


@dataclass
class Group:
    """Settings that belong together; `fields` as those of the form."""

    fields: dict[str, ConfigField | Group] = field(default_factory=dict)


class ConfigForm:
    """Widgets for a list of field descriptions, as `medssl.core.schema.describe` makes them.

    What is folded away is made when it is first opened: some methods have forty settings.

    Signal: `changed()` when the user edits anything.

    Args:
        parent: a widget with a layout; what it holds is replaced.
        fields: the descriptions.
        first: dotted names of the settings that are shown at once.
    """

    def __init__(self, parent, fields: list[dict[str, Any]], first: tuple[str, ...] = ()) -> None:
        self.changed = Signal()
        self._described = dict(_flat(fields))  # dotted name -> description, in their order
        self._values = _nested((name, one["default"]) for name, one in self._described.items())
        self._made: dict[str, ConfigField] = {}
        self._rows: dict[str, tuple] = {}  # dotted name -> label, place for a note
        self._notes: dict[str, str] = {}  # dotted name -> why it does not count
        self._waiting: dict[
            Any, tuple[Any, list[str]]
        ] = {}  # section not opened yet -> place, names of what belongs there
        _clear(parent.layout())
        box = qt.QWidget()
        parent.layout().addWidget(box)
        form = self._formIn(box)
        form.setContentsMargins(0, 0, 0, 0)
        for name in (name for name in self._described if name in first):
            self._addRow(form, name)
        self._addAll(form, {one["name"]: one for one in fields if one["type"] == "group"}, first)

    @property
    def fields(self) -> dict[str, ConfigField | Group]:
        """Every setting's field, those of groups below their group; makes what was not needed so far."""
        while self._waiting:
            self._open(next(iter(self._waiting)))
        found = Group()
        for name in self._described:
            *groups, last = name.split(".")
            place = found
            for group in groups:
                place = place.fields.setdefault(group, Group())
            place.fields[last] = self._made[name]
        return found.fields

    def values(self) -> Tree:
        """The complete tree.

        Raises:
            ConfigError: a text that is no number.
        """
        tree = copy.deepcopy(self._values)
        for name, one in self._made.items():
            _put(tree, name, one.values())
        return tree

    def setValues(self, values: Tree) -> None:
        """Show a complete tree; emits nothing."""
        self._values = copy.deepcopy(values)
        for name, one in self._made.items():
            one.setValues(_get(values, name))

    def differences(self, values: Tree) -> list[str]:
        """Dotted names of the settings that differ from a complete tree."""

        def same(name: str) -> bool:
            wanted = _get(values, name)
            return self._made[name].equals(wanted) if name in self._made else _get(self._values, name) == wanted

        return [name for name in self._described if not same(name)]

    def rest(self, notes: dict[str, str]) -> None:
        """Let settings rest that do not count beside the others.

        Args:
            notes: dotted names, and why each does not count.
        """
        self._notes = notes
        for name in self._made:
            self._showNote(name)

    def _addAll(self, form, groups: dict[str, dict[str, Any]], first: tuple[str, ...]) -> None:
        """The section of all other settings, a section in it for each group."""
        others = [name for name in self._described if name not in first]
        if not others:
            return
        section = self._section(form, _("All settings"), [name for name in others if "." not in name])
        layout = section.layout()
        for group, described in groups.items():
            names = [name for name in others if name.startswith(f"{group}.")]
            if names:
                self._section(layout, title(group), names).toolTip = described["description"]

    def _section(self, layout, text: str, names: list[str]):
        """A folded section with a place for the rows of some settings."""
        section, place = ctk.ctkCollapsibleButton(), qt.QWidget()
        section.text, section.collapsed = text, True
        qt.QVBoxLayout(section).addWidget(place)
        self._waiting[section] = (place, names)
        section.connect("contentsCollapsed(bool)", lambda collapsed: None if collapsed else self._open(section))
        layout.addRow(section) if layout.inherits("QFormLayout") else layout.addWidget(section)
        return section

    def _open(self, section) -> None:
        """Make the rows of a section that is opened for the first time."""
        place, names = self._waiting.pop(section, (None, ()))
        if place is None:
            return
        form = self._formIn(place)
        form.setContentsMargins(0, 0, 0, 0)
        for name in names:
            self._addRow(form, name)
        readableBoxes(place)
        orderByParts(section)

    def _addRow(self, form, name: str) -> None:
        description = self._described[name]
        made = self._made[name] = makeField(description, self.changed.emit)
        made.setValues(_get(self._values, name))
        label, note, box = qt.QLabel(title(description["name"]) + ":"), qt.QLabel(), qt.QWidget()
        softLabel(note)
        layout = qt.QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(made.widget)
        layout.addWidget(note)
        self._rows[name] = (label, note)
        form.addRow(label, box)
        self._showNote(name)

    def _showNote(self, name: str) -> None:
        widget, why = self._made[name].widget, self._notes.get(name, "")
        label, note = self._rows[name]
        tip = self._made[name].toolTip
        widget.enabled = not why
        widget.toolTip = label.toolTip = f"{why}. {tip}" if why else tip
        note.text, note.visible = why, bool(why)

    @staticmethod
    def _formIn(box):
        form = qt.QFormLayout(box)
        fitForm(form)
        return form


def title(name: str) -> str:
    """base_width -> Base width."""
    return name.replace("_", " ").capitalize()


def checkedForm(form: ConfigForm) -> tuple[Tree | None, ConfigError | None]:
    """The form's values, or what is wrong with them."""
    try:
        return form.values(), None
    except ConfigError as error:
        return None, error


def _flat(fields: list[dict[str, Any]], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted names and descriptions; of equal ones those that are not advanced come first."""
    for one in sorted(fields, key=lambda one: bool(one["advanced"])):
        if one["type"] == "group":
            yield from _flat(one["fields"], f"{prefix}{one['name']}.")
        else:
            yield prefix + one["name"], one


def _nested(pairs) -> Tree:
    tree: Tree = {}
    for name, value in pairs:
        _put(tree, name, value)
    return tree


def _get(tree: Tree, name: str) -> Any:
    for part in name.split("."):
        tree = tree[part]
    return tree


def _put(tree: Tree, name: str, value: Any) -> None:
    *groups, last = name.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[last] = value


def _clear(layout) -> None:
    while layout.count():
        old = layout.takeAt(0).widget()
        old.visible = False  # deleted only when the event loop comes to it, and painted over the new form until then
        old.deleteLater()
