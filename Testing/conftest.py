"""Fixtures of the panel tests: `harness`, `qapp`, `scene`, `process_until`, `grab`, `load_module`; of panels and logic."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Testing"))  # where the packages `harness` and `scaffold` lie
sys.path.append(str(ROOT / "backend" / "tests"))  # `refusals`, which the tests of the backend use, too

import harness as harness_package  # noqa: E402

# what lies there needs qt and slicer
PANEL_FOLDERS = ("backend_box", "pretrain", "inference", "channels", "correspond", "places", "lifecycle", "end_to_end")
MISSING = harness_package.missing()
DEFERRED_DELETE = 52  # QEvent.DeferredDelete, which an event loop that is only polled leaves for later
if not MISSING:
    harness_package.install()
    from watch import complaints, watchdog

    complaints.listen()
    sys.path[:0] = [str(ROOT / "MedSSLPretrain"), str(ROOT / "MedSSLInference")]
    from scaffold.inference_panel import make_inference  # noqa: F401
    from scaffold.pretrain_panel import make_pretrain  # noqa: F401


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "complains(pattern): Qt or VTK complain so in this test, as they should")
    keep_singletons()
    if not MISSING and config.getoption("--report-blocks"):
        watchdog.begin()


def keep_singletons() -> None:
    """PySide6 loses references to True and False, which ends an interpreter before 3.12 when none is left; later ones keep them."""
    if sys.version_info < (3, 12):
        for value in (True, False, None):
            ctypes.c_ssize_t.from_address(id(value)).value += 1 << 30


def pytest_addoption(parser):
    parser.addoption("--screenshots", help="folder for a picture of every widget state (also $MEDSSL_SCREENSHOTS)")
    parser.addoption("--report-cut", action="store_true", help="list what is cut in the panels at 400 and 550 pixels")
    parser.addoption("--report-blocks", action="store_true", help="list how long which step held the event loop")


def pytest_terminal_summary(terminalreporter, config):
    if MISSING:
        return
    from watch import pictures

    for option, lines in {"--report-cut": pictures.cutReport, "--report-blocks": watchdog.table}.items():
        if config.getoption(option):
            terminalreporter.section(option.removeprefix("--report-"))
            for line in lines() or ["nothing"]:
                terminalreporter.line(line)


def pytest_ignore_collect(collection_path):
    """Tests of panels need the stand-in for Slicer; without its packages test_harness.py says so in one skip."""
    return True if MISSING and collection_path.is_dir() and collection_path.name in PANEL_FOLDERS else None


@pytest.fixture(scope="session")
def qapp():
    """slicer.app, a QApplication."""
    import slicer

    return slicer.app


@pytest.fixture
def harness(request, qapp):
    """The harness; a test in which a slot raised, or Qt or VTK complained, fails at its end."""
    from harness import qtNamespace

    qtNamespace.slotErrors.clear()
    complaints.heard()
    yield harness_package
    qapp.processEvents()
    errors, qtNamespace.slotErrors[:] = list(qtNamespace.slotErrors), []
    expected = [mark.args[0] for mark in request.node.iter_markers("complains")]
    heard = complaints.heard(*expected)
    assert not errors, f"a slot raised {errors[0]!r}"
    assert not heard, f"Qt or VTK complained: {heard[0]}"


@pytest.fixture
def scene(harness, qapp):
    """An empty scene without module panels, before and after; at the end nothing may lie over an image that it is not of."""
    import slicer
    from watch import overlay_check

    qapp.moduleManager().unload()
    slicer.mrmlScene.Clear(0)
    qapp.layoutManager()._restart()
    tag = overlay_check.watch(slicer.mrmlScene)
    yield slicer.mrmlScene
    slicer.mrmlScene.RemoveObserver(tag)
    wrong = overlay_check.misplaced()
    if overlays := sys.modules.get("MedSSLInferenceLib.scene.overlayViews"):
        overlays.overlayViews.stop()  # a logic alone never does: its observers would watch every later test's scene
    qapp.moduleManager().unload()
    qapp.sendPostedEvents(None, DEFERRED_DELETE)  # closed panels go now, and no longer watch the scene of later tests
    slicer.mrmlScene.Clear(0)
    assert not wrong, f"drawn over another image: {wrong}"


@pytest.fixture
def load_module(scene, qapp):
    """`load_module("MedSSLPretrain")` loads the scripted module as Slicer's module factory does."""
    return lambda name: qapp.moduleManager().load(name, ROOT / name)


@pytest.fixture
def make_logic(load_module, monkeypatch, tmp_path):
    """`make_logic(module, server)`: the module's logic with a blocking transport to the server, over an empty home folder."""
    import slicer
    from scaffold.transports import BlockingTransport

    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path))
    monkeypatch.delenv("MEDSSL_PYTHON", raising=False)

    def make(module: str, server):
        load_module(module)
        logic = slicer.util.getModuleLogic(module)
        logic.server, logic.transport = server, BlockingTransport(server)
        return logic

    return make


@pytest.fixture
def process_until(qapp):
    """`process_until(condition, timeout=10)` runs Qt's loop until the condition holds; fails after `timeout` seconds."""

    def wait(condition, timeout: float = 10.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"nothing happened within {timeout} s")
            qapp.processEvents()
            time.sleep(0.002)

    return wait


@pytest.fixture
def grab(request, qapp):
    """A `Camera`: `grab(views, "name", width, height)` and `grab.panel(panel, "name")` write pictures where --screenshots or
    $MEDSSL_SCREENSHOTS says so, else check that things paint. A panel is also looked through for what is cut."""
    from watch import pictures

    folder = request.config.getoption("--screenshots") or os.environ.get("MEDSSL_SCREENSHOTS") or ""
    return pictures.Camera(folder, pictures.CUT_IS_AN_ERROR or "nothing_cut" in request.fixturenames)


@pytest.fixture
def nothing_cut(grab):
    """Fails the test at the first state of a panel in which something is cut at 400 or 550 pixels."""
