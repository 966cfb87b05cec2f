"""The colours of error maps, and of heat maps that lie over an image."""

from __future__ import annotations

import numpy as np
import slicer

# Black where there is nothing. Inferno is perceptually even and read from a file of the application; the other is
# compiled in, so it is always there.
ERROR_COLOURS = ("vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLPETProceduralColorNodePET-Heat")


def errorColours() -> str:
    """ID of the colour node."""
    return next(name for name in ERROR_COLOURS if slicer.mrmlScene.GetNodeByID(name) or name == ERROR_COLOURS[-1])


HEAT_TAG = "MedSSLHeat"
# Share of the way from the least to the most similar; red, green, blue, opacity. The image shows where there is no heat.
HEAT = (
    (0.00, 0.40, 0.05, 0.45, 0.00), (0.35, 0.74, 0.22, 0.33, 0.35), (0.65, 0.93, 0.41, 0.15, 0.70),
    (0.85, 0.98, 0.71, 0.10, 0.90), (1.00, 0.99, 1.00, 0.64, 1.00),
)  # fmt: skip


def heatColours() -> str:
    """ID of a colour node from clear to bright; it is made where the scene has none, and saved with it."""
    found = slicer.mrmlScene.GetSingletonNode(HEAT_TAG, "vtkMRMLColorTableNode")
    if found is not None:
        return found.GetID()
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    node.UnRegister(None)
    node.SetName("MedSSL heat")
    node.SetSingletonTag(HEAT_TAG)
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    places, *channels = np.array(HEAT).T
    ramp = np.stack([np.interp(np.linspace(0, 1, 256), places, channel) for channel in channels], axis=1)
    for index, colour in enumerate(ramp):
        node.SetColor(index, f"{index / 255:.2f}", *(float(value) for value in colour))
    return slicer.mrmlScene.AddNode(node).GetID()
