"""Pictures of MedSSLInference for the README: a restoration of a real volume by a trained model, through the panel.

    python Testing/screenshots/inference_screenshots.py VOLUME FOLDER [--model JOB]

needs a home folder (MEDSSL_HOME) in which a pretraining has finished; the backend is started where none runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import stage

DEPTH = 32  # slices of the slab that is restored: one sub-volume, seconds on a CPU
VIEWS = (1000, 760)  # pixels


def capture(panel, volume: Path, folder: Path, model: str = "", distortion: str = "outpaint") -> list[Path]:
    """Restore the middle slab of a volume through the panel; write inference-panel.png and four-up.png.

    Args:
        panel: a MedSSLInferenceWidget whose backend is up.
        model: a job id or a weight file; "" takes the newest model that the backend has.
    """
    import slicer

    stage.process_until(lambda: panel.ui.refreshButton.enabled and panel.ui.modelCombo.count > 1)
    source = slicer.util.loadVolume(str(volume))
    source.GetDisplayNode().SetAutoWindowLevel(False)
    source.GetDisplayNode().SetWindowLevel(1400, -350)
    parameters = panel.logic.getParameterNode()
    parameters.inputVolume, parameters.region, parameters.distortion = source, slab(source), distortion
    if model:
        parameters.model = model
    panel.setParameterNode(parameters)
    stage.finish(panel.panel.restore, panel.ui.applyButton, panel.ui.restoreError)
    return [
        stage.savePanel(panel.parent, folder / "inference-panel.png"),
        stage.save(slicer.app.layoutManager().viewport(), folder / "four-up.png", VIEWS),
    ]


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


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    with stage.application() as app:
        from scaffold.phantoms import addInferno

        addInferno()
        widget = stage.load(app, "MedSSLInference")
        print(*capture(widget.self(), options.volume, options.folder, options.model), sep="\n")


if __name__ == "__main__":
    main()
