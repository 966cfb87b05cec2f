"""A picture of the similar cases for the README: a real radiograph, a real set, a real backend, a trained model.

    python Testing/screenshots/retrieve_screenshots.py IMAGE AMONG --model WEIGHTS [--folder docs/pictures] [--rank 1]

AMONG is a folder or a catalogue CSV of radiographs; pictures that may be published come from public sets. --model is a weight
file or the id of a finished job in MEDSSL_HOME, which keeps the index for the next time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import stage
from radiograph_screenshots import loadRadiograph

VIEW_WIDTH, VIEW_HEIGHT = 640, 620  # pixels


def main() -> None:
    """Start what is needed, take the picture, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("among", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, default=stage.PICTURES)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--rank", type=int, default=1, help="of the case that is loaded")
    options = parser.parse_args()
    with stage.application() as app:
        print(capture(stage.load(app, "MedSSLInference"), options, stage.place(options.model)))


def capture(widget, options, model: str) -> Path:
    """Search, load a case, and take the panel beside the views."""
    panel = widget.self()
    box = panel.panel.retrieve
    stage.process_until(lambda: panel.ui.modelCombo.findData(model) >= 0)
    panel.panel.models.select(model)
    panel.panel.radiographs.ui.radiographSection.collapsed = True
    box.ui.retrieveSection.collapsed = False
    box.ui.retrieveSelector.setCurrentNode(loadRadiograph(options.image))
    box.ui.amongPath.currentPath, box.ui.retrieveCountSpin.value = str(options.among), options.count
    for button in (box.ui.retrieveButton, box.ui.loadCaseButton):
        box.ui.caseGallery.setCurrentRow(options.rank - 1)
        stage.finish(box, button, box.ui.retrieveError)
    return stage.saveBeside(widget, options.folder / "similar-cases.png", 2 * VIEW_WIDTH, VIEW_HEIGHT)


if __name__ == "__main__":
    main()
