"""Pictures of MedSSLInference for the README: a restoration of a real volume by a trained model, through the panel.

    python Testing/inference_screenshots.py VOLUME FOLDER [--model JOB]

needs a home folder (MEDSSL_HOME) in which a pretraining has finished; the backend is started where none runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPTH = 32  # slices of the slab that is restored: one cube, seconds on a CPU
PANEL, VIEWS = (440, 700), (1000, 760)  # pixels


def capture(panel, volume: Path, folder: Path, model: str = "", distortion: str = "outpaint") -> list[Path]:
    """Restore the middle slab of a volume through the panel; write inference-panel.png and four-up.png.

    Args:
        panel: a MedSSLInferenceWidget whose backend is up.
        model: a job id or a weight file; "" takes the newest model that the backend has.
    """
    import slicer

    process_until(lambda: panel.ui.refreshButton.enabled and panel.ui.modelCombo.count > 1)
    source = slicer.util.loadVolume(str(volume))
    source.GetDisplayNode().SetAutoWindowLevel(False)
    source.GetDisplayNode().SetWindowLevel(1400, -350)
    parameters = panel.logic.getParameterNode()
    parameters.inputVolume, parameters.region, parameters.distortion = source, slab(source), distortion
    if model:
        parameters.model = model
    panel.setParameterNode(parameters)
    panel.ui.applyButton.click()
    process_until(lambda: panel.panel.restore.state in ("finished", "failed"))
    assert panel.panel.restore.state == "finished", panel.ui.errorLabel.text
    return [
        save(panel.parent, PANEL, folder / "inference-panel.png"),
        save(slicer.app.layoutManager().viewport(), VIEWS, folder / "four-up.png"),
    ]


def addInferno() -> None:
    """The colour table that the application reads from a file of its own; the test harness has no such files."""
    import matplotlib
    import slicer

    node = slicer.vtkMRMLColorTableNode()
    node.SetName("Inferno")
    node.SetSingletonTag("FileInferno.txt")
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index, (red, green, blue) in enumerate(matplotlib.colormaps["inferno"].colors):
        node.SetColor(index, red, green, blue, 1.0)
    slicer.mrmlScene.AddNode(node)


def slab(volume):
    """A ROI over the middle slices of a volume."""
    import slicer

    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "middle slices")
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    roi.SetCenter(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    depth = DEPTH * volume.GetSpacing()[2]
    roi.SetSize(bounds[1] - bounds[0], bounds[3] - bounds[2], depth)
    return roi


def save(widget, size: tuple[int, int], path: Path) -> Path:
    """Write a widget as PNG."""
    import slicer

    widget.resize(*size)
    widget.show()
    slicer.app.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not widget.grab().save(str(path)):
        raise OSError(f"{path} cannot be written")
    return path


def process_until(condition, timeout_s: float = 600.0) -> None:
    """Run Qt's loop until the condition holds."""
    import slicer

    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened within {timeout_s:.0f} s")
        slicer.app.processEvents()
        time.sleep(0.01)


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    sys.path[:0] = [
        str(ROOT / "Testing"),
        *(str(ROOT / "Testing" / f) for f in ("pretrain", "inference", "correspond", "screenshots")),
        str(ROOT / "MedSSLPretrain"),
        str(ROOT / "MedSSLInference"),
    ]
    import harness

    app = harness.install()
    from medssl.client import backend

    addInferno()
    running = backend.find()
    address = running or backend.start(sys.executable)
    widget = app.moduleManager().load("MedSSLInference", ROOT / "MedSSLInference").widgetRepresentation()
    print(*capture(widget.self(), options.volume, options.folder, options.model), sep="\n")
    app.moduleManager().unload()
    if running is None:
        backend.stop(address)


if __name__ == "__main__":
    main()
