"""Slicer's `slicer.parameterNodeWrapper` as far as the panels use it: typed values and node references on a node.

Types: str, int, float, bool, an MRML node class (maybe None) and a list of one. The default stands after `=`. Bindings
of `connectGui`: the widget whose dynamic property `SlicerParameterName` names the parameter.

As there, a wrapper observes its node once for every plain parameter until nobody holds the wrapper, and what `connectGui` connects
holds it until `disconnectGui`: a forgotten connection keeps all of it alive, through reloads and closed scenes.
"""

from __future__ import annotations

import json
import types
import typing
import weakref
from dataclasses import dataclass
from typing import Annotated, Any

import vtk

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclass(frozen=True)
class Default:
    """`Annotated[int, Default(3)]`."""

    value: Any


@dataclass(frozen=True)
class Choice:
    """`Annotated[str, Choice(["a", "b"])]`; the combo box takes its items from here."""

    choices: list


@dataclass(frozen=True)
class WithinRange:
    """`Annotated[float, WithinRange(0, 1)]`; slider and spin box take their range from here."""

    minimum: float
    maximum: float


def parameterNodeWrapper(wrapped: type) -> type:
    """Class decorator: the annotated names become properties stored on a vtkMRMLScriptedModuleNode."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    parameters = {name: _parameter(name, hint, wrapped) for name, hint in hints.items()}

    def __init__(self, parameterNode) -> None:
        self.parameterNode = parameterNode
        self._connections, self._tags, self._nextTag, self._updating = {}, {}, 0, False
        for parameter in parameters.values():
            parameter.initialise(parameterNode)
        self._cached = {name: _Cached(p, parameterNode) for name, p in parameters.items() if not p.isNode}

    methods = {name: property(_reader(p), _writer(p)) for name, p in parameters.items()}
    kept = {k: v for k, v in vars(wrapped).items() if k not in parameters and k not in ("__dict__", "__weakref__")}
    return type(wrapped.__name__, (_Wrapper,), {**kept, **methods, "__init__": __init__, "_parameters": parameters})


def _reader(parameter: _Parameter):
    return lambda self: parameter.read(self.parameterNode) if parameter.isNode else self._cached[parameter.name].value


def _writer(parameter: _Parameter):
    if parameter.isNode:
        return lambda self, value: parameter.write(self.parameterNode, value)
    return lambda self, value: self._cached[parameter.name].write(value)


class _Cached:
    """The value of one plain parameter, read again whenever the node changes."""

    def __init__(self, parameter: _Parameter, node) -> None:
        self.parameter, self.node, self._text = parameter, node, None
        self.refresh()
        this = weakref.ref(self)
        self.tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: this().refresh())

    def __del__(self) -> None:
        self.node.RemoveObserver(self.tag)

    def refresh(self) -> None:
        text = self.parameter.text(self.node)
        if text != self._text:  # any change of the node comes here
            self._text, self.value = text, json.loads(text)

    def write(self, value) -> None:
        modified = self.node.StartModify()
        self.parameter.write(self.node, value)
        self.refresh()
        self.node.EndModify(modified)


class _Wrapper:
    """What every wrapped class gets."""

    def AddObserver(self, event, callback, priority: float = 0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified) -> None:
        self.parameterNode.EndModify(wasModified)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def connectGui(self, gui) -> int:
        """Bind the widgets below `gui` (a widget or the answer of childWidgetVariables); returns a tag."""
        widgets = vars(gui).values() if not hasattr(gui, "children") else gui.findChildren(_widgetClass())
        bound = [(w, self._parameters[w.property(SlicerParameterNamePropertyName)]) for w in widgets if _isBound(w)]
        tag, self._nextTag = self._nextTag, self._nextTag + 1
        self._connections[tag] = [_Link(self, widget, parameter) for widget, parameter in bound]
        self._tags[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._toWidgets())
        return tag

    def disconnectGui(self, tag: int) -> None:
        for link in self._connections.pop(tag, ()):
            link.close()
        if tag in self._tags:
            self.RemoveObserver(self._tags.pop(tag))

    def _toWidgets(self) -> None:
        if self._updating:
            return
        self._updating = True
        modified = self.StartModify()
        try:
            for link in [link for links in self._connections.values() for link in links]:
                link.toWidget()
        finally:
            self._updating = False
            self.EndModify(modified)


@dataclass(frozen=True)
class _Parameter:
    name: str
    kind: Any
    isList: bool
    isNode: bool
    default: Any
    rules: tuple
    nodeTypes: tuple[str, ...] = ()  # class names, of a union's members too

    def initialise(self, node) -> None:
        if not self.isNode and node.GetParameter(self.name) == "":
            node.SetParameter(self.name, json.dumps(self.default))

    def text(self, node) -> str:
        """How the node holds a plain value."""
        if text := node.GetParameter(self.name):
            return text
        self.initialise(node)  # closing the scene resets its singletons
        return node.GetParameter(self.name)

    def read(self, node):
        if not self.isNode:
            return json.loads(self.text(node))
        count = node.GetNumberOfNodeReferences(self.name)
        found = [node.GetNthNodeReference(self.name, i) for i in range(count)]
        return found if self.isList else node.GetNodeReference(self.name)

    def write(self, node, value) -> None:
        if self.isList and self.isNode:
            modified = node.StartModify()
            node.RemoveNodeReferenceIDs(self.name)
            for item in value:
                node.AddNodeReferenceID(self.name, item.GetID())
            node.Modified()
            node.EndModify(modified)
        elif self.isNode:
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            self.check(value)
            node.SetParameter(self.name, json.dumps(value))

    def check(self, value) -> None:
        if not isinstance(value, (int, float) if self.kind is float else self.kind):
            raise ValueError(f"{self.name} = {value!r} is not a {self.kind.__name__}")
        for rule in self.rules:
            if isinstance(rule, Choice) and value not in rule.choices:
                raise ValueError(f"{self.name} = {value!r} is not one of {rule.choices}")
            if isinstance(rule, WithinRange) and not rule.minimum <= value <= rule.maximum:
                raise ValueError(f"{self.name} = {value!r} is outside {rule.minimum}…{rule.maximum}")


def _parameter(name: str, hint, wrapped: type) -> _Parameter:
    rules: tuple = ()
    if typing.get_origin(hint) is Annotated:
        hint, *rest = typing.get_args(hint)
        rules = tuple(rest)
    isList = typing.get_origin(hint) is list
    kind = typing.get_args(hint)[0] if isList else hint
    nodeTypes = tuple(k.__name__ for k in (typing.get_args(kind) or (kind,)) if k.__name__.startswith("vtkMRML"))
    if typing.get_origin(kind) is types.UnionType:
        raise TypeError(f"{wrapped.__name__}.{name}: real Slicer knows typing.Union, no types joined by a bar")
    if typing.get_origin(kind) is typing.Union:
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    isNode = kind.__name__.startswith("vtkMRML")
    if not isNode and (kind not in (str, int, float, bool) or isList):
        raise TypeError(f"{wrapped.__name__}.{name}: the test harness does not bind {hint}")
    declared = next((r.value for r in rules if isinstance(r, Default)), None)
    default = getattr(wrapped, name, declared if declared is not None else (None if isNode else kind()))
    return _Parameter(name, kind, isList, isNode, default, rules, nodeTypes)


#: class name of a widget -> (property or getter, setter, signal)
_BINDINGS = {
    "QLineEdit": ("text", "textChanged(QString)"),
    "QCheckBox": ("checked", "toggled(bool)"),
    "QSpinBox": ("value", "valueChanged(int)"),
    "QDoubleSpinBox": ("value", "valueChanged(double)"),
    "ctkSliderWidget": ("value", "valueChanged(double)"),
    "QComboBox": ("currentText", "currentTextChanged(QString)"),
    "qMRMLNodeComboBox": ("node", "currentNodeChanged(vtkMRMLNode*)"),
}


class _Link:
    """One widget and one parameter, kept equal."""

    def __init__(self, wrapper, widget, parameter: _Parameter) -> None:
        self.wrapper, self.widget, self.parameter = wrapper, widget, parameter
        self.attribute, self.signal = _BINDINGS[widget.className()]
        if widget.className() == "QSpinBox":  # real Slicer forgets the range of the .ui file
            widget.minimum, widget.maximum = -(2**31), 2**31 - 1
        if self.attribute == "node":  # ... and the node types
            widget.nodeTypes = list(parameter.nodeTypes)
        for rule in parameter.rules:
            if isinstance(rule, WithinRange):
                widget.minimum, widget.maximum = rule.minimum, rule.maximum
            elif isinstance(rule, Choice):
                widget.clear()
                widget.addItems([str(c) for c in rule.choices])
        self.toWidget()
        widget.connect(self.signal, self.toNode)

    def toWidget(self) -> None:
        value = getattr(self.wrapper, self.parameter.name)
        if self.attribute == "node":
            if self.widget.currentNode() is not value:
                self.widget.setCurrentNode(value)
        elif getattr(self.widget, self.attribute) != value:
            setattr(self.widget, self.attribute, value)

    def toNode(self, *_) -> None:
        if self.wrapper._updating:
            return
        value = self.widget.currentNode() if self.attribute == "node" else getattr(self.widget, self.attribute)
        modified = self.wrapper.StartModify()
        setattr(self.wrapper, self.parameter.name, value)
        self.wrapper.EndModify(modified)

    def close(self) -> None:
        self.widget.disconnect(self.signal, self.toNode)


def _isBound(item) -> bool:
    return hasattr(item, "property") and bool(item.property(SlicerParameterNamePropertyName))


def _widgetClass():
    from .qtNamespace import QtWidgets

    return QtWidgets.QWidget


def build() -> types.ModuleType:
    """Make the `slicer.parameterNodeWrapper` module."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    for thing in (parameterNodeWrapper, Default, Choice, WithinRange):
        setattr(module, thing.__name__, thing)
    module.SlicerParameterNamePropertyName = SlicerParameterNamePropertyName
    return module
