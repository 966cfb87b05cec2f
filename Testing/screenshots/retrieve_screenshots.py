"""A picture of the similar cases for the README: a real radiograph, a real set, a real backend, a trained model.

    python Testing/retrieve_screenshots.py IMAGE AMONG --model WEIGHTS [--folder docs/pictures] [--rank 1]

AMONG is a folder or a catalogue CSV of radiographs; pictures that may be published come from public sets. --model is a weight
file or the id of a finished job in MEDSSL_HOME, which keeps the index for the next time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Start what is needed, take the picture, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("among", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--rank", type=int, default=1, help="of the case that is loaded")
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
        from radiograph_screenshots import place

        from medssl.client import backend

        model = place(options.model)
        running = backend.find()
        address = running or backend.start(sys.executable)
        try:
            widget = app.moduleManager().load("MedSSLInference", ROOT / "MedSSLInference").widgetRepresentation()
            print(capture(widget, options, model))
        finally:
            app.moduleManager().unload()
            if running is None:
                backend.stop(address)


def capture(widget, options, model: str) -> Path:
    """Search, load a case, and take the panel beside the views."""
    from inference_screenshots import process_until
    from radiograph_screenshots import loadRadiograph, picture

    panel = widget.self()
    box = panel.panel.retrieve
    process_until(lambda: panel.ui.modelCombo.findData(model) >= 0)
    panel.panel.models.select(model)
    panel.panel.radiographs.ui.radiographSection.collapsed = True
    box.ui.retrieveSection.collapsed = False
    box.ui.retrieveSelector.setCurrentNode(loadRadiograph(options.image))
    box.ui.amongPath.currentPath, box.ui.retrieveCountSpin.value = str(options.among), options.count
    for button in (box.ui.retrieveButton, box.ui.loadCaseButton):
        box.ui.caseGallery.setCurrentRow(options.rank - 1)
        process_until(lambda button=button: button.enabled)
        button.click()
        process_until(lambda: box.state in ("finished", "failed"))
        assert box.state == "finished", box.ui.retrieveError.text
    return picture(widget, options.folder / "similar-cases.png", withMap=False, viewWidth=640)


if __name__ == "__main__":
    main()
