"""MedSSLInference from Slicer's Python console and at application start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from refusals import refused
from scaffold.phantoms import volume
from scaffold.restoring import GENESIS, WRONG, RestoreServer
from scaffold.tasks import TaskServer
from scaffold.transports import BlockingTransport, FakeTransport

from medssl.core.errors import CancelledError, InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def logic(make_logic):
    return make_logic("MedSSLInference", RestoreServer())


def test_three_lines(logic):
    transport = BlockingTransport(RestoreServer())
    result = logic.restore(volume(), model=GENESIS, distortion="outpaint", transport=transport)
    assert [row["image"] for row in result.table] == ["distorted", "restored", "constant mean"]
    assert result.table[1]["psnr"] > result.table[0]["psnr"]
    assert result.restored.GetName() == "phantom restored"


def test_an_inspection_without_nodes_of_its_own_has_a_verb_too(logic):
    server = TaskServer(polls=1)
    logic.transport, reported = BlockingTransport(server), []
    result = logic.plane(volume(), view="frontal", onProgress=lambda share, message: reported.append(share))
    assert result.files == ("plane.nrrd",) and reported and server.asked[0].volume.view == "frontal"
    assert logic.ask("predict", [volume()], "m", test_time="none").table[0]["class"] == "Pneumonia"
    assert [ref.name for ref in server.asked[1].images] == ["phantom"] and server.asked[1].test_time == "none"
    with pytest.raises(AttributeError, match="darkness"):
        logic.darkness(volume())


def test_the_local_backend_is_the_default(logic, monkeypatch):
    logic.transport = None
    from MedSSLInferenceLib import consoleVerbs

    monkeypatch.setattr(consoleVerbs, "localTransport", lambda: BlockingTransport(RestoreServer()))
    assert logic.restore(volume(), GENESIS).restored is not None


def test_progress_is_reported(logic):
    reported = []
    transport = BlockingTransport(RestoreServer(polls=3))
    logic.restore(volume(), "m", transport, onProgress=lambda share, message: reported.append((share, message)))
    assert (0.5, "Window 4 of 9") in reported


def test_the_backends_error_arrives_as_it_is(logic):
    transport = BlockingTransport(RestoreServer(fails=WRONG))
    with pytest.raises(InputError) as caught:
        logic.restore(volume(), "m", transport)
    assert (caught.value.rule, caught.value.remedy) == (WRONG.rule, WRONG.remedy)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0, "nothing half-done stays in the scene"


def test_a_damaged_answer_leaves_the_scene_as_it_was(logic):
    class Damaged(RestoreServer):
        def _restore(self, request):
            table, info, files = super()._restore(request)
            return table, info, {**files, "error.nrrd": files["error.nrrd"][:500]}

    source = volume()
    count = slicer.mrmlScene.GetNumberOfNodes()
    with refused("nrrd-truncated", names="1474560"):
        logic.restore(source, "m", BlockingTransport(Damaged()))
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_without_waiting(logic, process_until):
    ends = []
    run = logic.restore(
        volume(), "m", FakeTransport(RestoreServer(polls=None)), waitForCompletion=False,
        onFinished=ends.append, onFailed=ends.append,
    )  # fmt: skip
    assert ends == []
    run.cancel()
    process_until(lambda: ends)
    assert isinstance(ends[0], CancelledError)


@pytest.mark.parametrize(("shape", "code"), [((20, 20, 1), "not-3d"), (None, "no-image-in-node")])
def test_what_is_no_volume_is_refused(logic, scene, shape, code):
    node = volume(shape=shape) if shape else scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with refused(code):
        logic.restore(node, "m", BlockingTransport(RestoreServer()))


def test_a_volume_is_sent_once(logic):
    source = volume()
    for _repeated in range(2):
        logic.restore(source, "m", logic.transport)
    assert sum(call.startswith("PUT") for call in logic.server.calls) == 1


def test_self_test_without_backend(logic, load_module, monkeypatch):
    monkeypatch.delenv("MEDSSL_PYTHON", raising=False)
    from MedSSLInference import MedSSLInferenceTest

    MedSSLInferenceTest().runTest()


START = """
import sys
sys.path = [entry for entry in sys.path if not entry.endswith("backend/src")]  # as in Slicer: medssl is not installed
sys.path.insert(0, "Testing")
import harness
app = harness.install(mainWindow=False)
sys.path.append("MedSSLInference")
from pathlib import Path
app.moduleManager().load("MedSSLInference", Path("MedSSLInference")).widgetRepresentation()
heavy = {"torch", "SimpleITK", "scipy", "pandas", "matplotlib", "monai", "fastapi", "pydantic"} & set(sys.modules)
assert not heavy, heavy
print("built without", app.layoutManager())
app.moduleManager().unload()
"""


def test_starts_without_main_window_torch_backend_and_installed_package(tmp_path):
    """What Slicer's generic test does, in an application of its own; also: the other module's folder is not on the path."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "MEDSSL_HOME": str(tmp_path), "PYTHONPATH": ""},
    )  # fmt: skip
    assert "built without None" in done.stdout, done.stderr[-2000:]
