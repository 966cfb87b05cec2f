"""Two radiographs compared through a PEAC network: places, a point that is moved, parts, patch map, landmarks."""

from __future__ import annotations

import csv

import slicer
from stage import app, images, models
from stage.panels import inference

CORRESPOND, FIND, PARTS, MAP, LANDMARKS = range(5)  # tabs


def opens(stage):
    """Two radiographs, ticked, and a model"""
    yield from inference.open()
    yield from inference.connect(stage)
    model = models.peac(stage)
    stage["pair"] = images.radiographs(stage)
    yield 0.5
    yield from inference.chooseModel(stage, model)
    for node in stage["pair"]:
        inference.radiographs.ui.imagesSelector.check(node)
    yield 0.4
    yield from stage.shot("chosen")


def correspond(stage):
    """Places of equal anatomy are marked in both, each in its own view"""
    yield from _compare(stage, CORRESPOND, "correspondButton")
    yield from stage.shot("correspond")
    for image in stage["pair"]:
        assert app.viewsOf(image), f"{image.GetName()} is in no view"
        assert app.drawnOver(image), f"nothing is drawn over {image.GetName()}"
    table = inference.radiographs.ui.correspondTable
    if table.rowCount:
        table.selectRow(table.rowCount - 1)
        yield from stage.shot("row-chosen")


def find(stage):
    """A point is put into the first image; the second shows where that is"""
    yield from _compare(stage, FIND, "findButton")
    stage.note(inference.radiographs.ui.findLabel.text)
    yield from stage.shot("found")
    _noPile(stage, "places")


def move(stage):
    """The point is dragged, and the answer follows"""
    node = inference.findPoint(0)
    before = inference.radiographs.ui.findLabel.text
    start = node.GetNthControlPointPositionWorld(0)
    end = [start[axis] + delta for axis, delta in enumerate(_step(stage["pair"][0]))]
    if app.canPointInViews():
        yield from app.drag(app.viewsOf(stage["pair"][0])[0], start, end)
    else:
        for part in range(1, 13):
            place = [a + (b - a) * part / 12 for a, b in zip(start, end)]
            node.SetNthControlPointPositionWorld(0, *place)
            yield 0.05
    yield from stage.until(lambda: not inference.radiographs.find.busy, "the answer", 60)
    yield 0.8
    after = inference.radiographs.ui.findLabel.text
    stage.note(f"{before} -> {after}")
    assert after != before, "the point did not move, or nobody followed"
    assert not inference.radiographs.ui.radiographError.visible, inference.radiographs.ui.radiographError.text
    yield from stage.shot("moved")


def place(stage):
    """The point is placed by a click into a view, and keeps its name"""
    node, image = inference.findPoint(0), stage["pair"][0]
    name = node.GetNthControlPointLabel(0)
    middle = _middle(image)
    inference.radiographs.ui.placeButton.click()
    yield 0.5
    if app.canPointInViews():
        app.click(app.viewsOf(image)[0], middle)
    else:
        node.AddControlPointWorld(*middle)
    yield 0.5
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SwitchToViewTransformMode()
    yield from stage.until(lambda: not inference.radiographs.find.busy, "the answer", 60)
    yield 0.5
    labels = [node.GetNthControlPointLabel(n) for n in range(node.GetNumberOfControlPoints())]
    yield from stage.shot("placed")
    assert labels == [name], f"the point {name} is called {labels} now"


def parts(stage):
    """Both are parted into the same parts"""
    inference.radiographs.ui.partsSpin.value = 4
    yield from _compare(stage, PARTS, "cosegmentButton")
    yield from stage.shot("parts")
    _noPile(stage, "find")


def patchMap(stage):
    """The map of patches is drawn below the images"""
    combo = inference.radiographs.ui.mapCombo
    combo.setCurrentIndex(combo.findData("pca"))
    yield from _compare(stage, MAP, "patchmapButton")
    assert slicer.app.layoutManager().plotViewCount >= 1, "there is no plot"
    yield from stage.shot("map")


def landmarks(stage):
    """Errors at known landmarks of a table are measured"""
    folder, ui = images.searchFolder(stage), inference.radiographs.ui
    table = stage.work / "landmarks.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "landmark", "x", "y"))
        for path in sorted(folder.iterdir())[:3]:
            writer.writerows((path.name, name, x, y) for name, x, y in (("apex", 60, 40), ("base", 70, 110)))
    inference.showTab(LANDMARKS)
    ui.landmarkImages.currentPath, ui.landmarkTable.currentPath = str(folder), str(table)
    yield 0.3
    yield from inference.finish(stage, inference.radiographs, ui.landmarksButton)
    assert ui.landmarksTable.rowCount
    yield from stage.shot("landmarks")


def projection(stage):
    """A CT becomes a radiograph and is compared with one"""
    ct = images.volumes(stage, 1)[0]
    yield 0.5
    ui = inference.radiographs.ui
    inference.radiographs.form.choose([ct, stage["pair"][1]])
    ui.viewCombo.setCurrentIndex(ui.viewCombo.findData("frontal"))
    yield 0.4
    yield from _compare(stage, CORRESPOND, "correspondButton")
    stage.note([node.GetName() for node in inference.radiographs.group.images])
    yield from stage.shot("projection")


def deleteOne(stage):
    """One image of a comparison is deleted: its points go from the views, the button says what to do"""
    pair = stage["pair"]
    inference.radiographs.form.choose(pair)
    yield from _compare(stage, CORRESPOND, "correspondButton")
    slicer.mrmlScene.RemoveNode(pair[1])
    yield 1.5
    yield from stage.shot("one-deleted")
    button = inference.radiographs.ui.radiographShowButton
    assert not button.enabled, "the comparison can still be shown"
    assert button.toolTip
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    stage.note(f"{button.toolTip}; a point list is {'there' if node else 'not there'}")


def closeMeanwhile(stage):
    """The scene is closed while radiographs are parted"""
    stage["pair"] = images.radiographs(stage)
    inference.radiographs.form.choose(stage["pair"])
    yield 0.4
    inference.showTab(PARTS)
    yield from stage.until(lambda: inference.radiographs.ui.cosegmentButton.enabled, "the button", 20)
    inference.radiographs.ui.cosegmentButton.click()
    yield 0.2
    slicer.mrmlScene.Clear(0)
    yield from stage.until(lambda: not inference.radiographs.busy, "the end", 120)
    yield 1.5
    left = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert not left, f"{[node.GetName() for node in left]} came into the new scene"
    yield from stage.shot("closed")


def _compare(stage, tab: int, button: str):
    inference.showTab(tab)
    yield 0.2
    yield from inference.finish(stage, inference.radiographs, getattr(inference.radiographs.ui, button))
    stage.note(inference.radiographs.ui.radiographStatus.text)


def _noPile(stage, earlier: str) -> None:
    """A new result hides those of other kinds over the same image."""
    group = inference.radiographs.group
    kind = {"places": "points", "find": "find"}[earlier]
    for number, image in enumerate(group.images):
        drawn, old = app.drawnOver(image), group.get(kind, number)
        stage.note(f"over {image.GetName()}: {drawn}")
        assert old is None or old.GetName() not in drawn, f"{old.GetName()} is still drawn over {image.GetName()}"


def _middle(image) -> list[float]:
    bounds = [0.0] * 6
    image.GetRASBounds(bounds)
    return [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]


def _step(image) -> list[float]:
    """A sixth of the image's extent, towards its middle whatever its axes are."""
    bounds = [0.0] * 6
    image.GetRASBounds(bounds)
    sizes = [bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3)]
    flat = sizes.index(min(sizes))
    return [0.0 if axis == flat else sizes[axis] / 6 for axis in range(3)]


ACTS = (
    (opens, correspond, find, move, place, parts, patchMap, landmarks, projection, deleteOne, closeMeanwhile),
)  # fmt: skip
