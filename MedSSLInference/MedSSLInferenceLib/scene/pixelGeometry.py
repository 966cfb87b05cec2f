"""Between pixels of a radiograph and places in the scene.

Pixels are (x, y) = (column, row) of the image, 0 = centre of the first pixel; the scene's world is RAS in mm. Slicer holds a
2D image as the single slice k = 0 of a volume.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from MedSSLLib.scene.volumeExport import ijkToRas


def pixelsToRas(imageNode, pixels) -> np.ndarray:
    """(N, 2) pixels to (N, 3) places in the image's own frame, before its parent transform."""
    pixels = np.asarray(pixels, dtype=float).reshape(-1, 2)
    ijk = np.column_stack([pixels, np.zeros(len(pixels)), np.ones(len(pixels))])
    return (ijk @ ijkToRas(imageNode).T)[:, :3]


def pixelsToWorld(imageNode, pixels) -> np.ndarray:
    """(N, 2) pixels to (N, 3) places in the world."""
    transform = vtk.vtkGeneralTransform()
    parent = imageNode.GetParentTransformNode()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(parent, None, transform)
    return np.array([transform.TransformPoint(point) for point in pixelsToRas(imageNode, pixels)]).reshape(-1, 3)


def worldToPixel(imageNode, point) -> tuple[float, float]:
    """The pixel below a place in the world; a place in front of or behind the image falls onto it."""
    transform = vtk.vtkGeneralTransform()
    parent = imageNode.GetParentTransformNode()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, parent, transform)
    ras = transform.TransformPoint([float(value) for value in point])
    x, y = (np.linalg.inv(ijkToRas(imageNode)) @ [*ras, 1.0])[:2]
    return float(x), float(y)


def gridToRas(imageNode, origin, step) -> np.ndarray:
    """IJK-to-RAS of a grid over an image.

    Args:
        origin: (x, y) of the first grid place, in pixels.
        step: (x, y) pixels from one grid place to the next.
    """
    grid = np.diag([step[0], step[1], 1.0, 1.0])
    grid[:2, 3] = origin
    return ijkToRas(imageNode) @ grid


def imageSize(imageNode) -> tuple[int, int]:
    """Columns and rows."""
    return imageNode.GetImageData().GetDimensions()[:2]


def middle(imageNode) -> tuple[float, float]:
    """The pixel in the middle of an image."""
    columns, rows = imageSize(imageNode)
    return (columns - 1) / 2, (rows - 1) / 2


def insideImage(imageNode, pixel) -> bool:
    """Whether a pixel lies in the image."""
    return all(-0.5 <= value <= side - 0.5 for value, side in zip(pixel, imageSize(imageNode)))
