"""Places of equal anatomy as point lists: one a radiograph, equal labels and one colour in all of them."""

from __future__ import annotations

from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from MedSSLInferenceLib.scene.comparison.radiographGroup import FIND, MATCH, POINTS, TABLE, RadiographGroup
from MedSSLInferenceLib.scene.overlayViews import bindOverlay
from MedSSLInferenceLib.scene.pixelGeometry import middle, pixelsToRas
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.scene.tableNodes import createTable, fillTable

# Control points of a list share one colour, so all lists have the same; the table keeps a colour per label.
COLOURS = {POINTS: (1.0, 0.85, 0.2), FIND: (0.2, 1.0, 0.4), MATCH: (0.3, 0.85, 1.0)}
OTHERS = "MedSSL.correspondsTo"
BEST, RUNNER_UP = 0, 1  # control points of a match list


def pointListSteps(group: RadiographGroup, rows) -> Steps:
    """A vtkMRMLMarkupsFiducialNode per image, and the table; those of an earlier run are filled anew.

    A conversation that only pauses: the views draw one list after the other.

    Args:
        rows: of a CorrespondRequest's answer: label, image, x, y, similarity, confidence, colour.

    Returns:
        The lists.
    """
    lists = []
    for number, image in enumerate(group.images):
        name = _("{image} correspondences").format(image=image.GetName())
        node = pointList(group, POINTS, number, name)
        yield Pause(0.0)
        requirePresent([image, node], _("Load it and compare again"))
        modified = node.StartModify()
        node.RemoveAllControlPoints()
        for row in (row for row in rows if row["image"] == number):
            index = node.AddControlPoint(*pixelsToRas(image, [(row["x"], row["y"])])[0], row["label"])
            facts = _("similarity {similarity:.2f}, confidence {confidence:.2f}")
            node.SetNthControlPointDescription(index, facts.format(**row))
        node.SetLocked(True)  # they are findings; a moved one would still bear its label
        node.EndModify(modified)
        lists.append(node)
        yield Pause(0.0)
    requirePresent([*group.images, *lists], _("Load it and compare again"))
    for node in lists:
        node.RemoveNodeReferenceIDs(OTHERS)
        for other in lists:
            if other is not node:
                node.AddNodeReferenceID(OTHERS, other.GetID())
    _keepTable(group, rows)
    return lists


def findPoint(group: RadiographGroup, number: int):
    """The list with the one point that the user moves in an image; at first in the middle of the image."""
    image = group.images[number]
    node = pointList(group, FIND, number, _("{image} find").format(image=image.GetName()))
    node.SetMaximumNumberOfControlPoints(1)
    if node.GetNumberOfControlPoints() == 0:
        node.AddControlPoint(*pixelsToRas(image, [middle(image)])[0], _("find"))
    node.SetControlPointLabelFormat(_("find"))  # also of the point that the user places anew
    return node


def movePoint(group: RadiographGroup, number: int, pointRas):
    """Put the point that the user moves to a place of the world; returns its list."""
    node = findPoint(group, number)
    node.SetNthControlPointPositionWorld(0, *(float(value) for value in pointRas))
    return node


def highlight(group: RadiographGroup, label: str) -> None:
    """Show one place brighter than the others in every image; "": all alike."""
    for node in (node for node in group.all(POINTS) if node is not None):
        modified = node.StartModify()
        for index in range(node.GetNumberOfControlPoints()):
            node.SetNthControlPointSelected(index, label in ("", node.GetNthControlPointLabel(index)))
        node.EndModify(modified)


def showMatch(group: RadiographGroup, number: int, row):
    """Put best place and runner-up of an image into its list; returns the list."""
    image = group.images[number]
    node = pointList(group, MATCH, number, _("{image} match").format(image=image.GetName()))
    places = [("", _("best")), ("runner_up_", _("runner-up"))]
    modified = node.StartModify()
    if row["runner_up_x"] is None:
        places = places[:1]
    while node.GetNumberOfControlPoints() > len(places):
        node.RemoveNthControlPoint(node.GetNumberOfControlPoints() - 1)
    for index, (prefix, title) in enumerate(places):
        position = pixelsToRas(image, [(row[f"{prefix}x"], row[f"{prefix}y"])])[0]
        label = title if prefix else _("{title}, confidence {confidence:.2f}").format(title=title, **row)
        if index < node.GetNumberOfControlPoints():
            node.SetNthControlPointPosition(index, *position)
        else:
            node.AddControlPoint(*position)
        node.SetNthControlPointLabel(index, label)
    facts = _("similarity {similarity:.2f}, confidence {confidence:.2f}").format(**row)
    node.SetNthControlPointDescription(BEST, facts)
    node.SetLocked(True)
    node.EndModify(modified)
    return node


def pointList(group: RadiographGroup, role: str, number: int, name: str):
    """The list of a role and an image, which goes where its image goes."""
    isNew = group.get(role, number) is None
    node = group.create("vtkMRMLMarkupsFiducialNode", name, role, number)
    node.SetAndObserveTransformNodeID(group.images[number].GetTransformNodeID())
    if isNew:  # Slicer's markups logic gives it a display node; afterwards its look is the user's
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSelectedColor(*COLOURS[role])
        display.SetColor(*(0.45 * value for value in COLOURS[role]))  # of points that are not selected
        display.SetActiveColor(*COLOURS[role])
        display.SetPointLabelsVisibility(True)
        display.SetPropertiesLabelVisibility(False)
        display.SetTextScale(3.0)
        display.SetGlyphScale(2.0)
        bindOverlay(node)
    return node


def _keepTable(group: RadiographGroup, rows) -> None:
    node = group.get(TABLE)
    kept = [{name: value for name, value in row.items() if name != "mutual"} for row in rows]
    if node is not None:
        fillTable(node, kept)
    else:
        names = ", ".join(image.GetName() for image in group.images)
        group.set(TABLE, createTable(kept, _("Correspondences of {names}").format(names=names)))
