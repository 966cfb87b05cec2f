"""What fits a panel of 400 pixels: names are shortened in the middle, and the whole text stands in the tooltip."""

from __future__ import annotations

import html
import re
from functools import partial

import qt

NAME = 32  # characters of a name that a combo box shows at 400 pixels
LONGEST_WORD = 28  # characters that a line of 400 pixels surely holds
ZERO_WIDTH_SPACE = "\u200b"  # where a long word may be broken


def elideMiddle(text: str, most: int = NAME) -> str:
    """A text of at most so many characters: its middle gives way, since names differ at their ends."""
    if len(text) <= most:
        return text
    begin = most // 2
    return f"{text[:begin]}…{text[len(text) - (most - begin - 1) :]}"


def breakable(text: str) -> str:
    """A plain text whose words too long for a line, such as paths, a label can break; others stay as they are."""
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda word: _broken(word.group()), text)


def _broken(word: str) -> str:
    pieces, run = [], 0
    for character in word:
        pieces.append(character)
        run += 1
        if (run >= LONGEST_WORD // 2 and character in "/\\_-.,:;") or run >= LONGEST_WORD:
            pieces.append(ZERO_WIDTH_SPACE)
            run = 0
    return "".join(pieces)


def showName(label, text: str, most: int = NAME) -> None:
    """Show a name in a QLabel or another widget with `text`, shortened where it is long, with the whole as tooltip."""
    label.text = elideMiddle(text, most)
    label.setToolTip(text if len(text) > most else "")


def softLabel(label) -> None:
    """Let a QLabel break its text into lines, and never make the panel wider."""
    label.setMinimumWidth(1)
    label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
    label.wordWrap = True  # last: a new policy forgets that the height follows from the width


def fitCombo(combo, characters: int = 8) -> None:
    """Let a QComboBox be as wide as its place, not as its longest item."""
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
    combo.minimumContentsLength = characters
    combo.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)


def narrow(widget) -> None:
    """Let a node selector or a path edit be as narrow as its place; the whole names of chosen nodes stand in its tooltip."""
    widget.setMinimumWidth(1)
    widget.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
    if not widget.inherits("qMRMLNodeComboBox") and not widget.inherits("qMRMLCheckableNodeComboBox"):
        return
    tip = partial(_tipNames, widget, plainTip(widget))
    if widget.inherits("qMRMLCheckableNodeComboBox"):
        widget.connect("checkedNodesChanged()", tip)
    else:
        widget.connect("currentNodeChanged(vtkMRMLNode*)", tip)
        for box in _boxesOf(widget):
            box.connect("currentTextChanged(QString)", tip)  # the node was renamed
    tip()  # one may be chosen already


def plainTip(widget) -> str:
    """A widget's tooltip as it was written: the application turns those of plain text into rich text, so that they wrap."""
    text = str(widget.toolTip)
    if not text.startswith("<p>"):
        return text
    return html.unescape(re.sub(r"<[^>]+>", "", text)).strip()


def _tipNames(selector, purpose: str, *_signal) -> None:
    """Slicer's selectors shorten long names, and say the whole ones nowhere."""
    several = selector.inherits("qMRMLCheckableNodeComboBox")
    nodes = selector.checkedNodes() if several else [selector.currentNode()]
    names = ", ".join(node.GetName() for node in nodes if node is not None)
    for box in (selector, *_boxesOf(selector)):
        box.setToolTip("\n".join(text for text in (names, purpose) if text))


def _boxesOf(selector) -> list:
    """The combo box inside a node selector."""
    return [child for child in selector.children() if child.inherits("QComboBox")]


def addItem(combo, title: str, data) -> None:
    """Add an item to a QComboBox: its title shortened, the whole one as tooltip."""
    combo.addItem(elideMiddle(title), data)
    combo.setItemData(combo.count - 1, title, qt.Qt.ToolTipRole)


def fitTable(table, nameColumn: int = 0) -> None:
    """Give a QTableWidget's width to the column of names; the others are as wide as their short texts."""
    table.wordWrap = False
    table.setTextElideMode(qt.Qt.ElideMiddle)
    table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
    table.setMinimumWidth(1)
    header = table.horizontalHeader()
    header.minimumSectionSize = 24
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    if nameColumn < table.columnCount:  # Qt 5 crashes where there is no such column yet
        header.setSectionResizeMode(nameColumn, qt.QHeaderView.Stretch)


def fitForm(layout) -> None:
    """Let a QFormLayout put a long field below its label, and fields take the whole width."""
    layout.setRowWrapPolicy(qt.QFormLayout.WrapLongRows)
    layout.setFieldGrowthPolicy(qt.QFormLayout.AllNonFixedFieldsGrow)


def readableBoxes(root) -> list:
    """Make the unticked boxes below a widget stand out in a dark style, whose boxes are nearly as dark as the panel.

    Args:
        root: any QWidget of a panel; its check boxes, radio buttons and lists with boxes get a lighter base colour.

    Returns:
        The widgets that got other colours.
    """
    window, changed = root.palette.color(qt.QPalette.Window), []
    if window.lightness() > 127:
        return changed
    for kind in ("QCheckBox", "QRadioButton", "QTableWidget", "QListWidget", "QTreeWidget"):
        for widget in _below(root, kind):
            palette = qt.QPalette(widget.palette)
            if kind in ("QCheckBox", "QRadioButton"):
                palette.setColor(qt.QPalette.Base, window.lighter(210))
            else:  # the box of a row is drawn on the base colour of the rows
                palette.setColor(qt.QPalette.Window, window.lighter(300))
            widget.setPalette(palette)
            changed.append(widget)
    return changed


def _below(widget, kind: str):
    for child in widget.children():
        if child.inherits(kind):
            yield child
        yield from _below(child, kind)
