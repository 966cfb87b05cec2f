"""A step of the work: a section of the panel that folds when it is done, and then says in one line what was chosen."""

from __future__ import annotations

import qt

from MedSSLLib.widgets.fitting import breakable, elideMiddle, softLabel

SUMMARY = 110  # characters; two lines at 400 pixels


class Step:
    """Keeps a ctkCollapsibleButton and a line below it.

    A step folds by itself once, when its work is done by a click of the user (a check that went well, a start); who opens
    it again finds it open from then on. It never folds while somebody types in it.

    Attribute: `label`, the line; it is shown while the section is folded.

    Args:
        section: a ctkCollapsibleButton in a box layout.
        summary: what the line says.
    """

    def __init__(self, section, summary: str = "") -> None:
        self.section, self._folded = section, False
        self.label = qt.QLabel()
        softLabel(self.label)
        self.label.indent = 18  # below the title, beside the arrow
        layout = section.parentWidget().layout()
        layout.insertWidget(layout.indexOf(section) + 1, self.label)
        section.connect("contentsCollapsed(bool)", lambda _collapsed: self._update())
        self.summarize(summary)

    def summarize(self, text: str) -> None:
        """What was chosen or came out, in one line; "" shows none."""
        self._text = text
        self.label.text = breakable(elideMiddle(text, SUMMARY))
        self.label.setToolTip(text if len(text) > SUMMARY else "")
        self._update()

    def done(self, text: str | None = None) -> None:
        """The step's work is done: fold it, the first time; with a summary, if one is given."""
        if text is not None:
            self.summarize(text)
        if not self._folded:
            self._folded = True
            self.section.collapsed = True

    def open(self) -> None:
        """It is this step's turn."""
        self.section.collapsed = False

    def _update(self) -> None:
        self.label.visible = bool(self._text) and bool(self.section.collapsed)
