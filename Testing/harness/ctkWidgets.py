"""The few ctk widgets that the panels use."""

from __future__ import annotations

import fnmatch
import types

from .qtNamespace import QtCore, QtWidgets, emitter, registerCustomWidget

TITLE_STYLE = "QToolButton { font-weight: bold; background: palette(button); border: 1px solid palette(mid); }"


@registerCustomWidget
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section whose contents fold away.

    As there, it is at least as wide as its title, and a child that is shown while the section is folded appears with the rest.
    """

    contentsCollapsed = emitter(bool)
    clicked = emitter(bool)
    toggled = emitter(bool)
    TITLE = 26  # height of the title bar, pixels
    INDICATOR = 36  # beside the title's text, pixels

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self._title = QtWidgets.QToolButton(self)
        self._title.objectName = "ctkTitle"
        self._title.toolButtonStyle = QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        self._title.arrowType = QtCore.Qt.ArrowType.DownArrow
        self._title.styleSheet = TITLE_STYLE
        self._title.clicked.connect(lambda: self._setCollapsed(not self._collapsed))
        self.setContentsMargins(0, self.TITLE, 0, 0)

    def resizeEvent(self, event) -> None:
        self._title.geometry = QtCore.QRect(0, 0, event.size().width(), self.TITLE)

    def showEvent(self, event) -> None:
        self._foldChildren()

    def changeEvent(self, event) -> None:
        if event.type() == QtCore.QEvent.Type.PaletteChange:  # a style sheet keeps the colours that it was read with
            self._title.styleSheet = TITLE_STYLE

    def event(self, event) -> bool:
        """A child that was shown meanwhile asks for a new layout; no event filter: Python would see widgets that half are gone."""
        done = super().event(event)
        if self._collapsed and event.type() == QtCore.QEvent.Type.LayoutRequest:
            self._foldChildren()
        return done

    def _foldChildren(self) -> None:
        explicit = QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide
        for child in self.children():
            if child is self._title or not child.isWidgetType():
                continue
            if self._collapsed and not child.isHidden():
                child.setProperty("ctkFolded", True)
                child.hide()
                child.setAttribute(explicit, False)
            elif not self._collapsed and child.property("ctkFolded"):
                child.setProperty("ctkFolded", None)
                if not child.testAttribute(explicit):  # otherwise it was hidden on purpose meanwhile
                    child.show()
        self.maximumHeight = self.TITLE if self._collapsed else 16777215

    def _getCollapsed(self) -> bool:
        return self._collapsed

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._title.arrowType = QtCore.Qt.ArrowType.RightArrow if collapsed else QtCore.Qt.ArrowType.DownArrow
        self._foldChildren()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def _getText(self) -> str:
        return self._text

    def _setText(self, text: str) -> None:
        self._text = self._title.text = text
        self.minimumWidth = self._title.fontMetrics().horizontalAdvance(text) + self.INDICATOR

    collapsed = QtCore.Property(bool, _getCollapsed, _setCollapsed)
    checked = QtCore.Property(bool, lambda self: not self._collapsed, lambda self, on: self._setCollapsed(not on))
    text = QtCore.Property(str, _getText, _setText)


@registerCustomWidget
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a browse button; `filters` says whether files or folders are meant."""

    currentPathChanged = emitter(str)
    validInputChanged = emitter(bool)
    Dirs, Files, Readable, Writable = 1, 2, 16, 32  # QDir.Filter

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._filters, self._settingKey, self._nameFilters = self.Files, "", []
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit(self)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.text = "…"
        layout.addWidget(self._edit)
        layout.addWidget(self._browse)
        self._edit.textChanged.connect(self._changed)
        self._valid = True

    def setCurrentPath(self, path: str) -> None:
        self._edit.text = path

    def _changed(self, text: str) -> None:
        patterns = [p for f in self._nameFilters for p in f.partition("(")[2].rstrip(")").split()]
        before, self._valid = self._valid, not patterns or any(fnmatch.fnmatch(text, p) for p in patterns)
        if self._valid:
            self.currentPathChanged.emit(text)
        if self._valid != before:
            self.validInputChanged.emit(self._valid)

    def comboBox(self):
        """There an editable QComboBox, of which the panels only need the line."""
        return types.SimpleNamespace(lineEdit=lambda: self._edit)

    def addCurrentPathToHistory(self) -> None:
        """The history lives in the settings; tests have none."""

    currentPath = QtCore.Property(str, lambda self: self._edit.text, setCurrentPath)
    filters = QtCore.Property(
        int, lambda self: self._filters, lambda self, value: setattr(self, "_filters", int(value))
    )
    nameFilters = QtCore.Property(
        "QStringList", lambda self: self._nameFilters, lambda self, v: setattr(self, "_nameFilters", v)
    )
    settingKey = QtCore.Property(
        str, lambda self: self._settingKey, lambda self, value: setattr(self, "_settingKey", value)
    )
    showHistoryButton = QtCore.Property(bool, lambda self: False, lambda self, value: None)


@registerCustomWidget
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box that move together."""

    valueChanged = emitter(float)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.maximum = 1000
        self._spin = QtWidgets.QDoubleSpinBox(self)
        self._spin.maximum = 100.0
        layout.addWidget(self._slider)
        layout.addWidget(self._spin)
        self._slider.valueChanged.connect(self._fromSlider)
        self._spin.valueChanged.connect(self._fromSpin)

    def setValue(self, value: float) -> None:
        self._spin.value = value

    def _fromSlider(self, position: int) -> None:
        span = self._spin.maximum - self._spin.minimum
        self._spin.value = self._spin.minimum + span * position / 1000

    def _fromSpin(self, value: float) -> None:
        self._slider.blockSignals(True)
        span = self._spin.maximum - self._spin.minimum
        self._slider.value = round(1000 * (value - self._spin.minimum) / span) if span else 0
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _forward(kind, name):  # a class-body helper, deleted below
        return QtCore.Property(
            kind, lambda self: getattr(self._spin, name), lambda self, v: setattr(self._spin, name, v)
        )

    value = _forward(float, "value")
    minimum = _forward(float, "minimum")
    maximum = _forward(float, "maximum")
    singleStep = _forward(float, "singleStep")
    decimals = _forward(int, "decimals")
    prefix = _forward(str, "prefix")
    suffix = _forward(str, "suffix")
    tracking = QtCore.Property(bool, lambda self: True, lambda self, value: None)
    pageStep = QtCore.Property(float, lambda self: 1.0, lambda self, value: None)
    del _forward


@registerCustomWidget
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu at its right end."""


@registerCustomWidget
class ctkMessageBox(QtWidgets.QMessageBox):
    """Message box; tests run in testing mode, where `slicer.util` shows none."""


def build() -> types.ModuleType:
    """Make the `ctk` module."""
    ctk = types.ModuleType("ctk", "The ctk widgets that the panels use")
    for widget in (ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget, ctkMenuButton, ctkMessageBox):
        setattr(ctk, widget.__name__, widget)
    return ctk
