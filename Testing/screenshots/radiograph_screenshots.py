"""Pictures of the comparison of radiographs for the README: real radiographs, a real backend, a trained PEAC model.

    python Testing/radiograph_screenshots.py IMAGE IMAGE [IMAGE ...] --model WEIGHTS [--folder docs/pictures] [--point X Y]

IMAGE is a radiograph of the user's, PNG, JPEG, NRRD or DICOM; pictures that may be published come from public sets. --model
is a weight file or the id of a finished job in MEDSSL_HOME. --point is a pixel of the first image, as shares of its width
and height.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PANEL_WIDTH, VIEW_HEIGHT, MAP_HEIGHT = 470, 620, 1000  # pixels
TABS = {"correspond": 0, "find": 1, "cosegment": 2, "patchmap": 3}


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--point", type=float, nargs=2, default=(0.68, 0.62), metavar=("X", "Y"))
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--dense", type=int, default=2, choices=(1, 2, 4))
    options = parser.parse_args()
    sys.path[:0] = [
        str(ROOT / "Testing"),
        *(str(ROOT / "Testing" / f) for f in ("pretrain", "inference", "correspond", "screenshots")),
        str(ROOT / "MedSSLPretrain"),
        str(ROOT / "MedSSLInference"),
    ]
    os.environ.setdefault("MEDSSL_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("MEDSSL_HOME", temporary)
        import harness

        app = harness.install()
        from medssl.client import backend

        model = place(options.model)
        running = backend.find()
        address = running or backend.start(sys.executable)
        try:
            widget = app.moduleManager().load("MedSSLInference", ROOT / "MedSSLInference").widgetRepresentation()
            print(*capture(widget, options, model), sep="\n")
        finally:
            app.moduleManager().unload()
            if running is None:
                backend.stop(address)


def place(model: str) -> str:
    """Put a weight file where the backend lists it, so that the panel knows its method; a job stays what it is."""
    from medssl.core.home import home_folder

    if not Path(model).is_file():
        return model
    folder = home_folder() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy(model, folder))


def capture(widget, options, model: str) -> list[Path]:
    """Click through the four comparisons; a picture of panel and views beside each other for each."""
    from inference_screenshots import process_until

    panel = widget.self()
    box = panel.panel.radiographs
    process_until(lambda: panel.ui.modelCombo.findData(model) >= 0)
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
        process_until(lambda button=button: button.enabled)
        button.click()
        process_until(lambda: box.state in ("finished", "failed"))
        assert box.state == "finished", box.ui.radiographError.text
        if name == "find":
            movePoint(box, nodes[0], options.point)
            process_until(lambda: not box.find.busy)
        files.append(picture(widget, options.folder / f"radiographs-{name}.png", withMap=name == "patchmap"))
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


def picture(widget, path: Path, withMap: bool, viewWidth: int = 460) -> Path:
    """The panel beside the views, as a user sees them."""
    import qt
    import slicer

    manager = slicer.app.layoutManager()
    views, window = manager.viewport(), qt.QWidget()
    row = qt.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    for part in (widget, views):
        row.addWidget(part)
        part.show()
    widget.setFixedWidth(PANEL_WIDTH)
    window.show()
    slicer.app.processEvents()
    height = max(MAP_HEIGHT if withMap else VIEW_HEIGHT, widget.layout().totalHeightForWidth(PANEL_WIDTH))
    window.resize(PANEL_WIDTH + max(2, len(manager.sliceViewNames())) * viewWidth, height)
    slicer.app.processEvents()
    manager.resetSliceViews()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not window.grab().save(str(path)):
        raise OSError(f"{path} cannot be written")
    for part in (widget, views):
        part.setParent(None)
    return path


if __name__ == "__main__":
    main()
