"""Pictures of both modules for the README: real CT, a real backend, a short pretraining and a restoration.

    python Testing/screenshots.py [--folder docs/pictures] [--steps 300]

Fetches the samples chest-ct and lung-ct (checksums verified) into the home folder, MEDSSL_HOME or a temporary one.
Pictures of every state of the panels: `pytest Testing --screenshots FOLDER`; of the comparison of radiographs, which needs a
trained PEAC model: `radiograph_screenshots.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ("chest-ct", "lung-ct")
PANEL_WIDTH, WINDOW_WIDTH = 470, 1400  # pixels


def main() -> None:
    """Start what is needed, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--steps", type=int, default=300)
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

        running = backend.find()
        address = running or backend.start(sys.executable)
        try:
            takeAll(app, options.folder, options.steps)
        finally:
            app.moduleManager().unload()
            if running is None:
                backend.stop(address)


def takeAll(app, folder: Path, steps: int) -> None:
    """Pretrain, then restore; write the pictures into a folder."""
    import inference_screenshots

    files = sampleFiles()
    pretrain = app.moduleManager().load("MedSSLPretrain", ROOT / "MedSSLPretrain").widgetRepresentation()
    print(*takePretraining(pretrain, files, folder, steps), sep="\n")
    unseen = heldOut(pretrain.self().panel.runBox.view.spec, files)
    app.moduleManager().unload()
    app.mrmlScene().Clear(0)
    inference_screenshots.addInferno()
    inference = app.moduleManager().load("MedSSLInference", ROOT / "MedSSLInference").widgetRepresentation()
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
    from medssl.datasets.catalog.split import split_by_patient

    catalog = read_catalog(spec.data, home_folder())
    split = split_by_patient(catalog, spec.data.validation_fraction, spec.config["training"]["seed"])
    return next(path for path in files if path.name.split(".")[0] == split.validation.patients[0])


def takePretraining(widget, files: list[Path], folder: Path, steps: int) -> list[Path]:
    """Click from the first volume to a finished model; pretrain-overview.png and pretrain-finished.png."""
    import slicer

    panel, ui = widget.self().panel, widget.self().ui
    for path in files:
        node = slicer.util.loadVolume(str(path))
        node.SetAttribute("MedSSL.Modality", "CT")
        ui.volumesSelector.check(node)
    until(lambda: panel.backend.transport is not None)
    ui.checkButton.click()
    until(lambda: ui.dataSummary.text or ui.dataError.text)
    panel.methodBox.form.fields["training"].fields["steps"].widget.value = steps
    ui.previewButton.click()
    until(lambda: panel.dataBox.previewNodes or ui.dataError.text)
    assert not ui.dataError.text, ui.dataError.text
    ui.nameEdit.text = "three chests"
    ui.methodSection.collapsed = True
    ui.startButton.click()
    until(lambda: ui.runError.text or (panel.runBox.view is not None and panel.runBox.view.status.step > 0.7 * steps))
    assert not ui.runError.text, ui.runError.text
    overview = takeOverview(widget, folder / "pretrain-overview.png")
    until(lambda: not panel.runBox.active)
    assert panel.runBox.view.status.state == "finished", ui.runError.text
    ui.methodSection.collapsed = False
    widget.show()
    slicer.app.processEvents()
    widget.resize(PANEL_WIDTH, widget.layout().totalHeightForWidth(PANEL_WIDTH))
    slicer.app.processEvents()
    return [overview, save(widget, folder / "pretrain-finished.png")]


def takeOverview(widget, path: Path) -> Path:
    """The panel beside the views, as a user sees them."""
    import qt
    import slicer

    views, window = slicer.app.layoutManager().viewport(), qt.QWidget()
    row = qt.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    for part in (widget, views):
        row.addWidget(part)
        part.show()
    widget.setFixedWidth(PANEL_WIDTH)
    window.show()
    slicer.app.processEvents()
    window.resize(WINDOW_WIDTH, widget.layout().totalHeightForWidth(PANEL_WIDTH))
    slicer.app.processEvents()
    slicer.app.layoutManager().resetSliceViews()
    save(window, path)
    for part in (widget, views):
        part.setParent(None)
    return path


def save(widget, path: Path) -> Path:
    """Write a widget as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not widget.grab().save(str(path)):
        raise OSError(f"{path} cannot be written")
    return path


def until(condition) -> None:
    """Run Qt's loop until the condition holds; a training may take a while."""
    from inference_screenshots import process_until

    process_until(condition, 3600.0)


if __name__ == "__main__":
    main()
