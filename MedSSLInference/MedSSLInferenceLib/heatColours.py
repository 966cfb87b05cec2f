"""The colours of error and heat maps."""

from __future__ import annotations

import slicer

# Black where there is nothing. Inferno is perceptually even and read from a file of the application; the other is
# compiled in, so it is always there.
COLOURS = ("vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLPETProceduralColorNodePET-Heat")


def heatColours() -> str:
    """ID of the colour node."""
    return next(name for name in COLOURS if slicer.mrmlScene.GetNodeByID(name) or name == COLOURS[-1])
