"""Rows below the volume of a section: one for each further channel that the chosen model needs, with the channel's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from MedSSLLib.channels.channelCombo import channelCombo
from MedSSLLib.channels.channelNodes import channelCandidates, channelNote, channelProblem, furtherOf
from MedSSLLib.scene.sceneWatch import SceneWatch
from MedSSLLib.widgets.fitting import elideMiddle
from slicer.i18n import tr as _

NAME = 14  # characters of a channel's name beside its selector


def channelNames(model: dict[str, Any] | None) -> tuple[str, ...]:
    """What the images are called that a model of `GET /models` sees of each case; () where it is one."""
    task = ((model or {}).get("plan") or {}).get("task") or {}
    return tuple(one["name"] for one in task.get("channels", ()))


class ChannelRows:
    """Fills a frame with selectors; hidden where the model sees one image.

    Attributes: `combos`, the selectors.

    Args:
        frame: an empty widget with a QFormLayout.
        changed: called when the user has chosen a channel.
        update: called when nodes have come or gone, which maybe are no channels at all.
    """

    def __init__(self, frame, changed: Callable[[], None], update: Callable[[], None]) -> None:
        self._frame, self._changed = frame, changed
        self._names: tuple[str, ...] = ()
        self._volume, self.combos = None, ()
        self._shown: tuple = ()
        self._watch = SceneWatch(update)
        frame.visible = False

    @property
    def nodes(self) -> tuple:
        """The volumes of the further channels, None where one is not chosen."""
        return furtherOf(self._volume, len(self._names) - 1) if self._volume is not None and self._names else ()

    def show(self, names: tuple[str, ...], volumeNode) -> None:
        """Offer selectors for the further channels of a volume.

        Args:
            names: of all channels, the first too; () hides the rows.
            volumeNode: the first channel; None: not chosen yet.
        """
        self._names, self._volume = names, volumeNode
        state = (names, volumeNode and volumeNode.GetID(), tuple((n.GetID(), n.GetName()) for n in self._candidates()))
        if state != self._shown:
            self._shown = state
            self._fill()

    def wishes(self) -> list[tuple[Any, str]]:
        """What is still to be chosen, as `unfulfilled` takes it."""
        wishes = []
        for name, node in zip(self._names[1:], self.nodes):
            wishes.append((node is not None, _("choose the volume of {name}").format(name=name)))
            problem = channelProblem(self._volume, node) if node is not None and self._volume.GetImageData() else ""
            text = _("choose another volume for {name} ({node} {problem})")
            wishes.append((not problem, text.format(name=name, node=node and node.GetName(), problem=problem)))
        return wishes

    def notes(self) -> list[str]:
        """What to know of the chosen channels before a run."""
        notes = [
            channelNote(self._volume, node, name) for name, node in zip(self._names[1:], self.nodes) if node is not None
        ]
        return [note for note in notes if note]

    def close(self) -> None:
        """The panel goes away."""
        self._watch.close()

    def _candidates(self) -> list:
        return channelCandidates(self._volume) if self._names and self._volume is not None else []

    def _fill(self) -> None:
        layout = self._frame.layout()
        while layout.rowCount():
            layout.removeRow(0)
        names = self._names[1:] if self._volume is not None else ()
        self.combos = tuple(channelCombo(self._volume, n, name, self._changed) for n, name in enumerate(names, 1))
        for name, combo in zip(names, self.combos):
            label = qt.QLabel(f"{elideMiddle(name, NAME)}:")
            label.setToolTip(name)
            layout.addRow(label, combo)
        self._frame.visible = bool(self.combos)
