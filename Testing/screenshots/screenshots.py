"""Pictures of both modules for the README: real CT, a real backend, a short pretraining and a restoration.

    python Testing/screenshots/screenshots.py [--folder docs/pictures] [--steps 300]

Fetches the samples chest-ct and lung-ct (checksums verified) into the home folder, MEDSSL_HOME or a temporary one.
Pictures of every state of the panels: `pytest Testing --screenshots FOLDER`; of the comparison of radiographs, which needs a
trained PEAC model: `radiograph_screenshots.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import inference_screenshots
import stage

SAMPLES = ("chest-ct", "lung-ct")


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=stage.PICTURES)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    with stage.application() as app:
        takeAll(app, options.folder, options.steps)


def takeAll(app, folder: Path, steps: int) -> None:
    """Pretrain, then restore; write the pictures into a folder."""
    from scaffold.phantoms import addInferno

    files = sampleFiles()
    pretrain = stage.load(app, "MedSSLPretrain")
    print(*takePretraining(pretrain, files, folder, steps), sep="\n")
    unseen = heldOut(pretrain.self().panel.runBox.view.spec, files)
    app.moduleManager().unload()
    app.mrmlScene().Clear(0)
    addInferno()
    inference = stage.load(app, "MedSSLInference")
    print(*inference_screenshots.capture(inference.self(), unseen, folder), sep="\n")


def sampleFiles() -> list[Path]:
    """The images of the samples."""
    from medssl.core.home import home_folder
    from medssl.datasets.samples.public_samples import fetch_sample

    folders = [fetch_sample(name, home_folder()) / "images" for name in SAMPLES]
    return [path for folder in folders for path in sorted(folder.iterdir())]


def heldOut(spec, files: list[Path]) -> Path:
    """The file of a patient that validated: no training step saw it."""
    from medssl.core.home import home_folder
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.datasets.splits.split import split_by_patient

    catalog = read_catalog(spec.data, home_folder())
    split = split_by_patient(catalog, spec.data.validation_fraction, spec.config["training"]["seed"])
    return next(path for path in files if path.name.split(".")[0] == split.validation.patients[0])


def takePretraining(widget, files: list[Path], folder: Path, steps: int) -> list[Path]:
    """Click from the first volume to a finished model; pretrain-finished.png."""
    import slicer

    panel, ui = widget.self().panel, widget.self().ui
    for path in files:
        node = slicer.util.loadVolume(str(path))
        node.SetAttribute("MedSSL.Modality", "CT")
        ui.volumesSelector.check(node)
    stage.process_until(lambda: panel.backend.transport is not None)
    ui.checkButton.click()
    stage.process_until(lambda: ui.dataSummary.text or ui.dataError.text)
    panel.methodBox.form.fields["training"].fields["steps"].widget.value = steps
    ui.previewButton.click()
    stage.process_until(lambda: panel.dataBox.previewNodes or ui.dataError.text)
    assert not ui.dataError.text, ui.dataError.text
    ui.nameEdit.text = "three chests"
    ui.methodSection.collapsed = True
    ui.startButton.click()
    stage.process_until(lambda: ui.startError.text or (panel.runBox.view is not None and panel.runBox.view.status.step))
    assert not ui.startError.text, ui.startError.text
    stage.process_until(lambda: not panel.runBox.active)
    assert panel.runBox.view.status.state == "finished", ui.runError.text
    ui.methodSection.collapsed = False
    return [stage.savePanel(widget, folder / "pretrain-finished.png")]


if __name__ == "__main__":
    main()
