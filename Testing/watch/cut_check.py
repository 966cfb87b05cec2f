"""What of a module panel is cut at a width, or makes the panel wider than it: the rule is that nothing is.

Works on the stand-in's widgets and on those of the real application, as both read properties without parentheses.
"""

from __future__ import annotations

import html
import re

import qt

from watch.cut_tables import tableCuts

SCROLL_BAR = 20  # pixels that the module panel's own scroll bar takes
LOOKS = 3  # at a panel in which something is cut
INDICATOR, ARROW, EDGE = 22, 26, 6  # pixels of a tick box with its gap, of a combo's arrow, of a frame
BUTTONS = ("QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QGroupBox", "ctkCollapsibleButton")
TICKED = ("QCheckBox", "QRadioButton", "ctkCollapsibleButton")


def cutAt(panel, width: int) -> list[str]:
    """Lay a panel out as in a module panel of a width, and name what is cut; it stays at that size.

    What is cut is looked at again: a job may have changed a text in the last loop, whose height is known some loops later.
    """
    room, found = width - SCROLL_BAR, list[str]()
    for _ in range(LOOKS):
        for _ in range(6):  # sections are laid out from the inside, so their height is known one loop later
            layout = panel.layout()
            height = layout.totalHeightForWidth(room) if layout.hasHeightForWidth() else panel.sizeHint.height()
            panel.resize(room, max(height, 200))
            qt.QApplication.processEvents()
        found = [*tooWide(panel, room), *cuts(panel)]
        if not found:
            break
    return found


def tooWide(panel, room: int) -> list[str]:
    """What asks for more than the room, innermost first named; empty where the panel fits."""
    if panel.minimumSizeHint.width() <= room:
        return []
    asking = [w for w in shown(panel) if _needs(w) + _left(w, panel) > room]
    inner = [w for w in asking if not any(other is not w and isInside(other, w) for other in asking)]
    named = [f"{label(w)} asks for {_needs(w)} px at {_left(w, panel)}" for w in inner]
    return [f"the panel asks for {panel.minimumSizeHint.width()} px of {room}", *named]


def cuts(panel) -> list[str]:
    """Every visible thing of a panel that is cut as it is laid out now."""
    found = []
    for widget in shown(panel):
        complaint = _cut(widget)
        if complaint:
            found.append(f"{label(widget)}: {complaint}")
        found += [f"{label(widget)}: {one}" for one in tableCuts(widget)]
    return found


def shown(panel) -> list:
    """Every widget below a panel that is shown, but for the parts of compound widgets that check themselves."""
    found, waiting = [], [panel]
    while waiting:
        widget = waiting.pop(0)
        children = [c for c in widget.children() if c.isWidgetType() and c.isVisibleTo(panel) and not c.isWindow()]
        children = [c for c in children if str(c.objectName) != "ctkTitle"]
        found += children
        waiting += [c for c in children if not _isWhole(c)]
    return found


def isInside(widget, outer) -> bool:
    """Whether a widget lies below another."""
    while widget is not None and widget is not outer:
        widget = widget.parent()
    return widget is outer


def label(widget) -> str:
    """How a report names a widget."""
    words = next((str(getattr(widget, n)) for n in ("text", "title", "currentText") if _isText(widget, n)), "")
    return f"{widget.className()} {widget.objectName or ''} {plain(words)[:40]!r}"


def plain(text: str) -> str:
    """A text without marks of rich text, keyboard shortcuts and places where a word may break."""
    return re.sub(r"&(?!&)", "", html.unescape(re.sub(r"<[^>]+>", " ", str(text).replace("\u200b", "")))).strip()


def _isText(widget, name: str) -> bool:
    return isinstance(getattr(widget, name, None), str)


def _isWhole(widget) -> bool:
    """Whether its children are only its own parts."""
    kinds = (
        "QAbstractSpinBox",
        "QComboBox",
        "QAbstractItemView",
        "QPlainTextEdit",
        "QTextEdit",
        "QTabBar",
        "QLineEdit",
    )
    return any(widget.inherits(kind) for kind in kinds)


def _needs(widget) -> int:
    return max(widget.minimumSizeHint.width() if not widget.maximumWidth < 1 else 0, widget.minimumWidth)


def _left(widget, panel) -> int:
    return widget.mapTo(panel, qt.QPoint(0, 0)).x()


def _cut(widget) -> str:
    """Why the text of a widget is cut, or ""."""
    checks = (
        ("QLabel", _cutLabel), ("QComboBox", _cutCombo), ("QTabBar", _cutTabs), ("QAbstractSpinBox", _cutSpin),
        ("QLineEdit", _cutLine), ("QProgressBar", _cutProgress),
    )  # fmt: skip
    for kind, check in checks:
        if widget.inherits(kind):
            return check(widget)
    return _cutButton(widget) if any(widget.inherits(kind) for kind in BUTTONS) else ""


def textWidth(widget, text: str) -> int:
    """Of the longest line."""
    return max((widget.fontMetrics().horizontalAdvance(line) for line in plain(text).split("\n")), default=0)


def saysWhole(widget, text: str) -> bool:
    """Whether the tooltip holds the full text."""
    return bool(text) and plain(text) in plain(widget.toolTip)


def _cutLabel(widget) -> str:
    text = str(widget.text)
    if not text or widget.width <= 1:
        return "" if not text else "no room at all"
    if re.search(r"\w…\w", text) and not re.search(r"\d…[-−\d]", text) and not widget.toolTip:
        return "elided without a tooltip"
    if widget.wordWrap:
        longest = max(plain(re.sub("[\u200b-]", " ", text)).split(), key=len, default="")
        if textWidth(widget, longest) > widget.width and not saysWhole(widget, text):
            return f"the word {longest!r} needs {textWidth(widget, longest)} px of {widget.width}"
        lacking = widget.heightForWidth(widget.width) - widget.height
        return f"{lacking} px of its height are missing" if lacking > 2 else ""
    return _lacking(widget, textWidth(widget, text), widget.width)


def _cutButton(widget) -> str:
    text = str(widget.title if widget.inherits("QGroupBox") else widget.text)
    if (
        widget.inherits("QToolButton")
        and widget.toolButtonStyle == qt.Qt.ToolButtonIconOnly
        and not widget.icon.isNull()
    ):
        return ""
    icon = 0 if widget.inherits("QGroupBox") or not hasattr(widget, "icon") or widget.icon.isNull() else 20
    extra = icon + (INDICATOR if any(widget.inherits(kind) for kind in TICKED) else EDGE if text else 0)
    return _lacking(widget, textWidth(widget, text) + extra, widget.width) if text else ""


def _cutCombo(widget) -> str:
    text = _tickedNames(widget) if widget.parent().inherits("qMRMLCheckableNodeComboBox") else str(widget.currentText)
    needed, room = textWidth(widget, text), widget.width - ARROW - EDGE
    return _lacking(widget, needed, room) if text and not saysWhole(widget, text) else ""


def _tickedNames(widget) -> str:
    """What the box of a selector of several nodes shows."""
    return ", ".join(node.GetName() for node in widget.parent().checkedNodes())


def _cutTabs(widget) -> str:
    return _lacking(widget, widget.sizeHint.width(), max(widget.width, widget.parent().width))


def _cutSpin(widget) -> str:
    return _lacking(widget, textWidth(widget, widget.text), widget.width - ARROW) if hasattr(widget, "text") else ""


def _cutLine(widget) -> str:
    """What the user types scrolls; what the panel says does not."""
    text = str(widget.placeholderText if not widget.text else widget.text if widget.readOnly else "")
    return _lacking(widget, textWidth(widget, text), widget.width - 2 * EDGE) if not saysWhole(widget, text) else ""


def _cutProgress(widget) -> str:
    return _lacking(widget, textWidth(widget, widget.text), widget.width) if widget.textVisible else ""


def _lacking(widget, needed: int, room: int) -> str:
    """A text with "…" was elided on purpose: then its tooltip has the rest."""
    text = str(getattr(widget, "text", ""))
    return "" if needed <= room or ("…" in text and widget.toolTip) else f"needs {needed} px of {room}"
