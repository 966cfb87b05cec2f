"""Slicer's `qt` module for tests: PySide6 with PythonQt's manners, and nothing that PythonQt lacks.

Properties are read and written without parentheses (`true_property`), signals connect by signature or by name, an
exception in a slot is collected in `slotErrors` so that the running test fails.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import types
import warnings
from typing import ClassVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import PySide6  # isort: skip  # the feature switch exists only after this import
from shibokensupport import feature  # isort: skip
from __feature__ import true_property  # noqa: F401  # isort: skip
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets
from watch import watchdog

from . import api

if sys.version_info < (3, 12):  # PySide6 6.12 takes a reference to None in every call that returns nothing; make None
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40  # immortal, as later Pythons do by themselves

# The switch is per importing module, and every module that merely names PySide6 would turn it off again.
feature._mod_uses_pyside = lambda module: False
for _name in [name for name, flag in feature.pyside_feature_dict.items() if flag == 0]:
    feature.pyside_feature_dict[_name] = -1
feature.set_selection(0x02, __name__)
assert isinstance(QtWidgets.QWidget.enabled, property), f"PySide6 {PySide6.__version__} ignores true_property"

slotErrors: list[BaseException] = []
MISSING_IN_PYTHONQT = (
    "QVariant",
    "QSignalSpy",
    "QSvgWidget",
    "QWebSocket",
    "Signal",
    "Slot",
    "Property",
    "QThread",
    "QSignalBlocker",
)
HELD = "_pythonQtSlots"  # attribute of objects whose methods were connected
_waiting: list = []  # timers of singleShot
_customWidgets: dict[str, type] = {}
_signatures: dict[str, tuple[int, list[str]]] = {}  # class -> its number of methods, its signals
_bareGetattribute = QtCore.QObject.__getattribute__


def connect(self, signature: str, slot) -> bool:
    """PythonQt's `object.connect("signal(types)", slot)`; an unknown signature fails here instead of returning False."""
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    name = normal.partition("(")[0]
    known = _signals(self.metaObject(), name)
    asPython = re.sub(r"vtk\w+\*", "PyObject", normal)
    if asPython not in known:
        raise AssertionError(f"{type(self).__name__} has no signal {normal}; signals of that name: {known}")
    _bareGetattribute(self, name).connect(_held(slot, name))
    return True


def disconnect(self, signature: str, slot=None) -> bool:
    """PythonQt's `object.disconnect("signal(types)", slot)`: False where nothing was connected."""
    name = signature.partition("(")[0]
    signal = _bareGetattribute(self, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return bool(signal.disconnect(_held(slot, name)) if slot is not None else signal.disconnect())
        except (RuntimeError, RuntimeWarning):
            return False


def _held(slot, signal: str):
    """What to connect: as there, a connection keeps the object of a method alive until the sender goes or it is disconnected,
    and the garbage collector does not see it. PySide6 itself would forget the object."""
    owner = getattr(slot, "__self__", None)
    if watchdog.active or not isinstance(slot, types.MethodType) or isinstance(owner, (QtCore.QObject, type)):
        return watchdog.watched(slot)
    kept = vars(owner).setdefault(HELD, {})
    return kept.setdefault((signal, slot.__func__), watchdog.sameShape(slot, slot))


def _signals(meta, name: str) -> list[str]:
    """The signatures of a class's signals of a name, read once: panels connect thousands of times."""
    kind = meta.className()
    if kind not in _signatures or _signatures[kind][0] != meta.methodCount():
        methods = [meta.method(n) for n in range(meta.methodCount())]
        signals = [m for m in methods if m.methodType() == QtCore.QMetaMethod.MethodType.Signal]
        _signatures[kind] = meta.methodCount(), [bytes(m.methodSignature().data()).decode() for m in signals]
    return [signature for signature in _signatures[kind][1] if signature.partition("(")[0] == name]


def _replaceConnect(kind: type) -> None:
    """`connect` and `disconnect` cannot be replaced on the class: PySide6 looks them up by itself."""
    bare = kind.__getattribute__

    def lookUp(self, name: str):
        if name == "connect":
            return connect.__get__(self)
        if name == "disconnect":
            return disconnect.__get__(self)
        return bare(self, name)

    kind.__getattribute__ = lookUp


class QUiLoader(QtUiTools.QUiLoader):
    """Knows the ctk and qMRML stand-ins, as Slicer's designer plugins do."""

    _registered: ClassVar[set[str]] = (
        set()
    )  # PySide6 keeps one list for all loaders, which every further entry makes slower

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        for name in _customWidgets.keys() - self._registered:
            self.registerCustomWidget(_customWidgets[name])
            self._registered.add(name)

    def createWidget(self, className: str, parent=None, name: str = ""):
        """As there: a class without a Designer plugin becomes a plain QWidget, and nobody is told."""
        return super().createWidget(className if api.loadableFromUi(className) else "QWidget", parent, name)


def registerCustomWidget(widget: type) -> type:
    """Class decorator: make the widget loadable from .ui files."""
    _customWidgets[widget.__name__] = widget
    return widget


def customWidgets() -> dict[str, type]:
    """All stand-ins for ctk and qMRML widgets, by class name."""
    return dict(_customWidgets)


def emitter(*arguments) -> QtCore.Signal:
    """A signal for a stand-in widget."""
    return QtCore.Signal(*arguments)


def build() -> types.ModuleType:
    """Make the merged `qt` module."""
    QtCore.QObject.name = property(lambda self: self.objectName, lambda self, value: setattr(self, "objectName", value))
    QtCore.QObject.className = lambda self: self.metaObject().className()
    bare = QtCore.QTimer().setSingleShot  # comes unbound: the static singleShot has taken the property's name
    QtCore.QTimer.setSingleShot = lambda self, on: bare(self, on)
    QtCore.QTimer.singleShot = staticmethod(_singleShot)
    qt = types.ModuleType("qt", "PySide6 as Slicer's qt")
    for source in (QtCore, QtGui, QtWidgets, QtNetwork):
        for name in dir(source):
            if name.startswith(("Q", "Qt")) and name not in MISSING_IN_PYTHONQT:
                setattr(qt, name, getattr(source, name))
    kinds = [k for k in vars(qt).values() if isinstance(k, type) and issubclass(k, QtCore.QObject)]
    for kind in [k for k in kinds if "__getattribute__" in vars(k)]:  # some classes bring their own look-up
        _replaceConnect(kind)
    qt.QUiLoader = QUiLoader
    _guardHeader(qt.QHeaderView)
    _restoreMethods(qt)
    sys.excepthook = _collect
    return qt


def _guardHeader(kind: type) -> None:
    """A section that is not there ends the application; here it is an error."""
    bare = kind.setSectionResizeMode

    def setSectionResizeMode(self, *arguments) -> None:
        if len(arguments) == 2 and not 0 <= arguments[0] < self.count():
            raise AssertionError(f"a header of {self.count()} sections has no section {arguments[0]}: Qt 5 crashes")
        bare(self, *arguments)

    kind.setSectionResizeMode = setSectionResizeMode


def _restoreMethods(qt) -> None:
    """`true_property` hides setters and isX(); PythonQt has them beside the properties, as the reference lists."""
    for name, listed in api.classes().items():
        source = getattr(qt, name[3:], None) if name.startswith("qt.") else None
        for method in listed.get("methods", ()) if source is not None else ():
            target = method[3:4].lower() + method[4:] if method.startswith("set") else method[2:3].lower() + method[3:]
            if hasattr(source, method) or not isinstance(getattr(source, target, None), property):
                continue
            if method.startswith("set"):
                setattr(source, method, _setter(target))
            elif method.startswith("is"):
                setattr(source, method, lambda self, target=target: getattr(self, target))
        for name in listed.get("properties", ()) if source is not None else ():
            getter = vars(source).get(name)
            if (
                type(getter).__name__ == "method_descriptor"
            ):  # its C++ getter has an argument, e.g. QComboBox.currentData
                setattr(source, name, property(getter))


def _singleShot(milliseconds: int, slot) -> None:
    """`QTimer.singleShot`: PySide6's own uses a `connect` with other arguments than PythonQt's."""
    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    _waiting.append(timer)

    watched = watchdog.timed(slot) if watchdog.active else slot

    def fire() -> None:
        _waiting.remove(timer)
        watched()

    _bareGetattribute(timer, "timeout").connect(fire)
    timer.start(milliseconds)


def _setter(target: str):
    made = {"contentsMargins": QtCore.QMargins, "sizePolicy": QtWidgets.QSizePolicy}.get(target)
    if made is not None:  # as there, the parts will do
        return lambda self, *parts: setattr(self, target, parts[0] if len(parts) == 1 else made(*parts))
    return lambda self, value: setattr(self, target, value)


def _collect(kind, error, traceback) -> None:
    slotErrors.append(error)
    sys.__excepthook__(kind, error, traceback)
