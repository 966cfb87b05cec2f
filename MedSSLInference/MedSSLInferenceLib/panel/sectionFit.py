"""A section of the panel, fitted to 400 pixels as a whole."""

from __future__ import annotations

import qt
from MedSSLLib.widgets.fitting import fitCombo, fitForm, narrow, softLabel

NARROW = ("qMRMLNodeComboBox", "qMRMLCheckableNodeComboBox", "ctkPathLineEdit")


def fitSection(section) -> None:
    """Let nothing in a section ask for more than its place: forms wrap, combo boxes and paths give way, texts break."""
    for widget in _inside(section):
        layout = widget.layout()
        if layout is not None:
            _fitForms(layout)
        if any(widget.inherits(kind) for kind in NARROW):
            narrow(widget)
        elif widget.inherits("QComboBox"):
            fitCombo(widget)
        elif widget.inherits("QLabel") and widget.wordWrap:
            softLabel(widget)


def fitTabs(tabs) -> None:
    """Let a QTabWidget be as high as its current page, not as its highest one."""
    tabs.connect("currentChanged(int)", lambda _number: _fitPages(tabs))
    _fitPages(tabs)


def _fitPages(tabs) -> None:
    for number in range(tabs.count):
        policy = qt.QSizePolicy.Preferred if number == tabs.currentIndex else qt.QSizePolicy.Ignored
        tabs.widget(number).setSizePolicy(qt.QSizePolicy.Preferred, policy)
    tabs.updateGeometry()


def _inside(widget):
    """A widget and those in it, but for the parts of compound ones."""
    yield widget
    if not any(widget.inherits(kind) for kind in (*NARROW, "QComboBox", "QAbstractItemView", "ctkSliderWidget")):
        for child in widget.children():
            if child.isWidgetType():
                yield from _inside(child)


def _fitForms(layout) -> None:
    if layout.inherits("QFormLayout"):
        fitForm(layout)
    for inner in layout.children():  # the layouts in it
        _fitForms(inner)
