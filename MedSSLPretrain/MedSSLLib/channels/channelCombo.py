"""A combo box that chooses a further channel of a volume among the volumes of the scene."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from MedSSLLib.channels.channelNodes import channelCandidates, furtherOf, setFurther
from MedSSLLib.widgets.fitting import addItem, fitCombo
from MedSSLLib.widgets.modelChoice import chosen


def channelCombo(volumeNode, number: int, name: str, changed: Callable[[], None]):
    """A QComboBox of the volumes that may be a volume's channel of this number; what is chosen is kept at the volume.

    Args:
        volumeNode: the first channel.
        number: of the further one, from 1.
        name: what the channel is called.
        changed: called when the user has chosen.
    """
    combo, current = qt.QComboBox(), furtherOf(volumeNode, number)[-1]
    fitCombo(combo, 4)
    combo.addItem(_("(none)"), "")
    for node in channelCandidates(volumeNode):
        addItem(combo, node.GetName(), node.GetID())
    combo.setCurrentIndex(max(0, combo.findData(current.GetID() if current is not None else "")))
    _tip(combo, volumeNode, name)

    def onChosen(_index: int) -> None:
        setFurther(volumeNode, number, slicer.mrmlScene.GetNodeByID(chosen(combo)) if chosen(combo) else None)
        _tip(combo, volumeNode, name)
        changed()

    combo.connect("activated(int)", onChosen)
    return combo


def _tip(combo, volumeNode, name: str) -> None:
    what = _("{name} that goes with {volume}, registered with it").format(name=name, volume=volumeNode.GetName())
    node = slicer.mrmlScene.GetNodeByID(chosen(combo)) if chosen(combo) else None
    combo.toolTip = f"{what}: {node.GetName()}" if node is not None else what
