"""What the scripts of pictures share: an application with a real backend, and pictures of widgets.

A script imports this module first: it finds the extension and the stand-in for Slicer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
SETTLING_S = 3.0  # results are shown over several event loops, and views answer later
WIDTH = 470  # of the panel, pixels
sys.path[:0] = [str(ROOT / folder) for folder in ("Testing", "MedSSLPretrain", "MedSSLInference")]


@contextlib.contextmanager
def application() -> Iterator:
    """The stand-in for Slicer with a backend over MEDSSL_HOME, or a temporary one; the backend ends if it was started here."""
    os.environ.setdefault("MEDSSL_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("MEDSSL_HOME", temporary)
        import harness

        app = harness.install()
        from medssl.client import backend

        running = backend.find()
        address = running or backend.start(sys.executable)
        try:
            yield app
        finally:
            app.moduleManager().unload()
            if running is None:
                backend.stop(address)


def load(app, module: str):
    """A module's widget."""
    return app.moduleManager().load(module, ROOT / module).widgetRepresentation()


def place(model: str) -> str:
    """Put a weight file where the backend lists it, so that the panel knows its method; a job stays what it is."""
    from medssl.core.home import home_folder

    if not Path(model).is_file():
        return model
    folder = home_folder() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy(model, folder))


def process_until(condition, timeout_s: float = 3600.0) -> None:
    """Run Qt's loop until the condition holds; a training may take a while."""
    import slicer

    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened within {timeout_s:.0f} s")
        slicer.app.processEvents()
        time.sleep(0.01)


def finish(box, button, error) -> None:
    """Click a section's button as soon as it can be, and wait for the end, until views and panel have settled too."""
    process_until(lambda: button.enabled)
    button.click()
    process_until(lambda: box.state in ("finished", "failed"))
    assert box.state == "finished", error.text
    end = time.monotonic() + SETTLING_S
    process_until(lambda: time.monotonic() > end)


def save(widget, path: Path, size: tuple[int, int] | None = None) -> Path:
    """Write a widget as PNG."""
    import slicer

    if size is not None:
        widget.resize(*size)
        widget.show()
        slicer.app.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not widget.grab().save(str(path)):
        raise OSError(f"{path} cannot be written")
    return path


def savePanel(widget, path: Path) -> Path:
    """Write a panel as PNG, as high as it needs."""
    import slicer

    widget.show()
    slicer.app.processEvents()
    return save(widget, path, (WIDTH, widget.layout().totalHeightForWidth(WIDTH)))


def saveBeside(widget, path: Path, viewsWidth: int, least: int = 0) -> Path:
    """Write the panel beside the views, as a user sees them; `least` is the picture's smallest height."""
    import qt
    import slicer

    manager = slicer.app.layoutManager()
    views, window = manager.viewport(), qt.QWidget()
    row = qt.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    for part in (widget, views):
        row.addWidget(part)
        part.show()
    widget.setFixedWidth(WIDTH)
    window.show()
    slicer.app.processEvents()
    window.resize(WIDTH + viewsWidth, max(least, widget.layout().totalHeightForWidth(WIDTH)))
    slicer.app.processEvents()
    manager.resetSliceViews()
    save(window, path)
    for part in (widget, views):
        part.setParent(None)
    return path
