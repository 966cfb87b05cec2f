"""Which volumes go with a volume as its further channels: kept at the nodes, checked by where they lie, and sent together."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import slicer
from slicer.i18n import tr as _

from MedSSLLib.scene.madeNodes import isMade
from MedSSLLib.scene.volumeExport import ijkToRas, isFlat, uploadSteps
from MedSSLLib.steps import Steps

CHANNEL = "MedSSL.channel"  # reference role, with a number from 1 behind it
SAMPLES = 24  # places along each axis that show how much of a volume another one covers


def furtherOf(volumeNode, count: int) -> tuple:
    """The nodes that the user chose as a volume's further channels, None where one is missing."""
    return tuple(volumeNode.GetNodeReference(f"{CHANNEL}{number}") for number in range(1, count + 1))


def setFurther(volumeNode, number: int, channelNode) -> None:
    """Choose a volume's further channel of this number, from 1; None: none."""
    identifier = channelNode.GetID() if channelNode is not None else None
    volumeNode.SetNodeReferenceID(f"{CHANNEL}{number}", identifier)


def channelCandidates(volumeNode) -> list:
    """The user's volumes that may be a further channel of one."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    plain = [n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode" and not n.GetHideFromEditors()]
    return [
        n for n in plain if n is not volumeNode and not isMade(n) and n.GetImageData() is not None and not isFlat(n)
    ]


def coveredShare(volumeNode, channelNode) -> float:
    """About which share 0...1 of a volume lies inside the field of another one."""
    matrices = [ijkToRas(node) for node in (volumeNode, channelNode)]
    sizes = [node.GetImageData().GetDimensions() for node in (volumeNode, channelNode)]
    axes = [np.linspace(0, size - 1, min(size, SAMPLES)) for size in sizes[0]]
    places = np.array([*product(*axes)])
    seen = np.linalg.inv(matrices[1]) @ matrices[0] @ np.c_[places, np.ones(len(places))].T
    inside = [(line >= -0.5) & (line <= size - 0.5) for line, size in zip(seen, sizes[1])]
    return float(np.logical_and.reduce(inside).mean())


def channelProblem(volumeNode, channelNode) -> str:
    """Why a node cannot be a channel of a volume, as the end of a sentence; "" where it can."""
    if channelNode is volumeNode:
        return _("is the same volume")
    if channelNode.GetImageData() is None or isFlat(channelNode):
        return _("is no 3D volume")
    if channelNode.GetTransformNodeID() != volumeNode.GetTransformNodeID():
        return _("is under another transform than the volume: harden it (module Transforms)")
    if not coveredShare(volumeNode, channelNode):
        return _("has no place in common with the volume: register them")
    return ""


def channelNote(volumeNode, channelNode, name: str) -> str:
    """What to know of a channel that covers a part of a volume only; "" where it covers all."""
    share = coveredShare(volumeNode, channelNode)
    text = _("{name} covers {share:.0%} of {volume}; the rest is background there")
    return text.format(name=name, share=share, volume=volumeNode.GetName()) if share < 1 else ""


def channelSteps(volumeNode, further, loopback: bool) -> Steps:
    """Bring a volume and its further channels to the backend; the conversation returns the VolumeRef of all."""
    ref = yield from uploadSteps(volumeNode, loopback)
    refs = []
    for node in further:
        refs.append((yield from uploadSteps(node, loopback)))
    return replace(ref, further=tuple(refs))
