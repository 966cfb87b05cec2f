"""Cases as small pictures with rank, similarity, patient and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

# the other columns are the catalogue's
SHOWN = ("rank", "name", "patient", "path", "similarity", "distance", "findings")
ROWS, MOST_ROWS, PER_ROW = 1, 3, 4  # of pictures that are seen without scrolling, in a panel of usual width
LETTERS = 26  # of the findings below a picture: two lines


class CaseGallery:
    """Fills a QListWidget in icon mode.

    Args:
        widget: the list.
        chosen: called when another case is chosen, or none.
        opened: called when a case is double-clicked.
    """

    def __init__(self, widget, chosen: Callable[[], None], opened: Callable[[], None]) -> None:
        self._widget, self._rows = widget, ()
        widget.connect("itemSelectionChanged()", chosen)
        widget.connect("itemDoubleClicked(QListWidgetItem*)", lambda _item: opened())

    @property
    def row(self) -> dict[str, Any] | None:
        """The chosen case's row of the table."""
        number = self._widget.currentRow
        return self._rows[number] if 0 <= number < len(self._rows) else None

    def show(self, rows, pictures) -> None:
        """Show cases with a PNG of each, and choose the first."""
        self._widget.clear()
        self._rows = tuple(rows)
        for number, (row, picture) in enumerate(zip(self._rows, pictures)):
            self._widget.addItem(tileText(row))
            item = self._widget.item(number)
            item.setIcon(_icon(picture, self._widget.iconSize))
            item.setToolTip(caseText(row))
            item.setTextAlignment(qt.Qt.AlignHCenter)
        lines = min(MOST_ROWS, max(ROWS, -(-len(self._rows) // PER_ROW)))
        self._widget.setFixedHeight(lines * self._widget.gridSize.height() + 8)
        self._widget.visible = bool(self._rows)
        if self._rows:
            self._widget.setCurrentRow(0)

    def clear(self) -> None:
        """Show nothing."""
        self.show((), ())


def tileText(row: dict[str, Any]) -> str:
    """The lines below a picture."""
    findings = row["findings"] if len(row["findings"]) <= LETTERS else row["findings"][: LETTERS - 3] + "..."
    first = _("{rank}: {similarity:.3f}").format(rank=row["rank"], similarity=row["similarity"])
    return "\n".join(line.replace("_", " ") for line in (first, row["patient"], findings) if line)


def caseText(row: dict[str, Any]) -> str:
    """All that is known of a case, in a line or two; labels that are 0 are left out."""
    title = _("Case {rank}: {name}, patient {patient}, similarity {similarity:.3f}, distance {distance:.3f}.")
    known = [f"{name} {_plain(value)}" for name, value in row.items() if name not in SHOWN and _adds(value)]
    findings = row["findings"].replace("_", " ") or _("none of the set's labels")
    return " ".join([title.format(**row), findings[0].upper() + findings[1:] + ".", ", ".join(known)]).strip()


def _adds(value: Any) -> bool:
    """Whether an attribute or a label says more than the list of findings does."""
    return value not in (None, "", 0, 1)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _icon(data: bytes, size):
    """The picture in the middle of a square; the same where it is chosen, which would be tinted otherwise."""
    pixmap = qt.QPixmap()
    pixmap.loadFromData(data)  # not as a QByteArray made here, which would end at the first zero
    pixmap = pixmap.scaled(size, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation)
    icon = qt.QIcon(pixmap)
    icon.addPixmap(pixmap, qt.QIcon.Selected)
    return icon
