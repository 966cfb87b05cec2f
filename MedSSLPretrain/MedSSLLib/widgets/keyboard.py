"""The Tab key goes through a panel as the eye does, also through parts that were made later than others."""

from __future__ import annotations

import itertools

import qt


def orderByParts(root) -> None:
    """Put a widget and those below it in the order in which its parts were made; what follows on it follows on the last one.

    Frames stand in the order of the screen, and so do the widgets in each; only the frames are filled in another order.
    """
    for before, after in itertools.pairwise(_focusable(root)):
        qt.QWidget.setTabOrder(before, after)


def _focusable(widget):
    if widget.focusPolicy != qt.Qt.NoFocus:
        yield widget
    for part in widget.children():
        if part.inherits("QWidget") and not part.isWindow():
            yield from _focusable(part)
