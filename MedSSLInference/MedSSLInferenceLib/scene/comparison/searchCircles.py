"""What of each image was searched, as a circle over it."""

from __future__ import annotations

import numpy as np
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.clearing import removeNode
from MedSSLInferenceLib.scene.comparison.radiographGroup import CIRCLE, RadiographGroup
from MedSSLInferenceLib.scene.overlayViews import bindOverlay
from MedSSLInferenceLib.scene.pixelGeometry import pixelsToRas

PLACES = 36  # of a circle
COLOUR = (0.85, 0.85, 0.85)


def showCircles(group: RadiographGroup, circles, source: int) -> list:
    """A closed curve over every image but the source; where nothing was confined, those of before go.

    Args:
        circles: of a SimilarityRequest's answer: image, x, y, radius in pixels.
        source: number of the image that the point belongs to.
    """
    wanted = {circle["image"]: circle for circle in circles if circle["image"] != source}
    for number in range(len(group.images)):
        stale = group.get(CIRCLE, number)
        if stale is not None and number not in wanted:
            removeNode(stale)
    return [_show(group, number, circle) for number, circle in wanted.items()]


def _show(group: RadiographGroup, number: int, circle):
    image = group.images[number]
    isNew = group.get(CIRCLE, number) is None
    node = group.create(
        "vtkMRMLMarkupsClosedCurveNode", _("{image} searched").format(image=image.GetName()), CIRCLE, number
    )
    node.SetAndObserveTransformNodeID(image.GetTransformNodeID())
    angle = np.linspace(0, 2 * np.pi, PLACES, endpoint=False)
    pixels = np.column_stack(
        [circle["x"] + circle["radius"] * np.cos(angle), circle["y"] + circle["radius"] * np.sin(angle)]
    )
    modified = node.StartModify()
    node.RemoveAllControlPoints()
    for place in pixelsToRas(image, pixels):
        node.AddControlPoint(*place)
    node.SetLocked(True)
    node.EndModify(modified)
    if isNew:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSelectedColor(*COLOUR)
        display.SetColor(*COLOUR)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetGlyphScale(0.1)  # the line alone
        bindOverlay(node)
    return node
