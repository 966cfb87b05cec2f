"""Pictures of the comparison of radiographs for the README: real radiographs, a real backend, a trained PEAC model.

    python Testing/screenshots/radiograph_screenshots.py IMAGE IMAGE [IMAGE ...] --model WEIGHTS [--folder docs/pictures] [--point X Y]

IMAGE is a radiograph of the user's, PNG, JPEG, NRRD or DICOM; pictures that may be published come from public sets. --model
is a weight file or the id of a finished job in MEDSSL_HOME. --point is a pixel of the first image, as shares of its width
and height.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import stage

VIEW_WIDTH, VIEW_HEIGHT, MAP_HEIGHT = 460, 620, 1000  # pixels
TABS = {"correspond": 0, "find": 1, "cosegment": 2, "patchmap": 3}


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, default=stage.PICTURES)
    parser.add_argument("--point", type=float, nargs=2, default=(0.68, 0.62), metavar=("X", "Y"))
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--dense", type=int, default=2, choices=(1, 2, 4))
    options = parser.parse_args()
    with stage.application() as app:
        model = stage.place(options.model)
        print(*capture(stage.load(app, "MedSSLInference"), options, model), sep="\n")


def capture(widget, options, model: str) -> list[Path]:
    """Click through the four comparisons; a picture of panel and views beside each other for each."""
    import slicer

    panel = widget.self()
    box = panel.panel.radiographs
    stage.process_until(lambda: panel.ui.modelCombo.findData(model) >= 0)
    panel.panel.models.select(model)
    nodes = [loadRadiograph(path) for path in options.images]
    box.form.choose(nodes)
    box.ui.countSpin.value = options.count
    box.ui.denseCombo.setCurrentIndex(box.ui.denseCombo.findData(options.dense))
    files = []
    for name, tab in TABS.items():
        button = {"correspond": box.ui.correspondButton, "find": box.ui.findButton,
                  "cosegment": box.ui.cosegmentButton, "patchmap": box.ui.patchmapButton}[name]  # fmt: skip
        box.ui.tabs.currentIndex = tab
        stage.finish(box, button, box.ui.radiographError)
        if name == "find":
            movePoint(box, nodes[0], options.point)
            stage.process_until(lambda: not box.find.busy)
        width = VIEW_WIDTH * max(2, len(slicer.app.layoutManager().sliceViewNames()))
        height = MAP_HEIGHT if name == "patchmap" else VIEW_HEIGHT
        files.append(stage.saveBeside(widget, options.folder / f"radiographs-{name}.png", width, height))
        clear(box.group, name)
    return files


def loadRadiograph(path: Path):
    """A 2D volume node; PNG and JPEG as Slicer reads them, which keeps their channels."""
    import numpy as np
    import slicer

    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".dcm"):
        from medssl.images.formats.reading import read_volume

        volume = read_volume(path)
        node = slicer.util.addVolumeFromArray(volume.array.T[None], name=path.stem)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0])))
    else:
        node = slicer.util.loadVolume(str(path))
    low, high = np.percentile(slicer.util.arrayFromVolume(node), (1, 99.5))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(float(low), float(high))
    return node


def movePoint(box, image, share) -> None:
    """Drag the point of the first image to a place given as shares of width and height."""
    from MedSSLInferenceLib.scene.pixelGeometry import imageSize, pixelsToWorld

    pixel = [part * side for part, side in zip(share, imageSize(image))]
    box.group.get("find", 0).SetNthControlPointPositionWorld(0, *pixelsToWorld(image, [pixel])[0])


def clear(group, name: str) -> None:
    """Take a comparison's results out of the views, so that the next picture shows the next one alone."""
    import slicer

    roles = {"correspond": ("points",), "find": ("find", "match", "heat"), "cosegment": ("parts",)}.get(name, ())
    for role in roles:
        for node in group.all(role):
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)


if __name__ == "__main__":
    main()
