"""Pretraining from the Python console, against a backend in memory; samples in Slicer's Sample Data module."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import qt
import SampleData
import slicer
from MedSSLLib.backend import sampleFetch
from MedSSLPretrainLib import sampleData
from refusals import refused
from scaffold import phantoms
from scaffold.jobs import STEPS, TrainingServer

from medssl.core.errors import CancelledError, MedSSLError


@pytest.fixture
def server():
    return TrainingServer(pace=150)


@pytest.fixture
def logic(make_logic, server):
    return make_logic("MedSSLPretrain", server)


def test_three_lines(load_module, server, logic):
    volumeNode = phantoms.volume()
    logic = slicer.util.getModuleLogic("MedSSLPretrain")
    job = logic.pretrain([volumeNode], preset="laptop")
    assert job.model == job.id and job.state == "finished"
    assert sum(event["type"] == "loss" for event in job.events) == STEPS
    assert server.jobs[0].spec.data.volumes[0].name == "phantom" and len(server.volumes) == 1


def test_settings(logic, server):
    events = []
    config = {"base_width": 16, "training": {"steps": 60}}
    logic.pretrain("/data/chest", config=config, name="mine", device="cpu", modality="MR", onEvent=events.append)
    spec = server.jobs[0].spec
    assert (spec.name, spec.device, spec.data.path, spec.data.modality) == ("mine", "cpu", "/data/chest", "MR")
    assert spec.config["base_width"] == 16 and spec.config["training"]["batch_size"] == 4
    assert events[-1]["type"] == "finished"


def test_without_waiting_and_resume(logic, server):
    job = logic.pretrain([phantoms.volume()], waitForCompletion=False)
    with refused("model-not-ready", names="queued"):
        _ = job.model
    job.cancel()
    with pytest.raises(CancelledError):
        job.wait()
    assert [known.state for known in logic.jobs()] == ["cancelled"]
    assert logic.resume(job.id).state == "finished"


def test_a_failed_job_raises_what_the_job_said(logic, server):
    server.failAt = 30
    with refused("resource", names="results/model.safetensors"):
        logic.pretrain([phantoms.volume()])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"volumes": []}, "no-images"),
        ({"volumes": "/data", "preset": "fast"}, "preset-unknown"),
        ({"volumes": "/data", "config": {"base_width": 1}}, "setting-out-of-range"),
        ({"volumes": "/data", "method": "magic"}, "not-registered"),
    ],
)
def test_bad_input_is_told_before_anything_starts(logic, server, arguments, code):
    with refused(code):
        logic.pretrain(**arguments)
    assert not server.jobs


def test_without_an_environment_the_remedy_is_shown(logic, tmp_path):
    logic.transport = None
    with refused("environment-missing", names="MEDSSL_PYTHON"):
        logic.jobs()


def test_module_test_runs(load_module, server):
    module = load_module("MedSSLPretrain")
    module._module.runTest()


def test_a_vector_volume_is_refused(logic, server):
    import numpy as np

    node = slicer.util.addVolumeFromArray(np.zeros((4, 4, 4, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode")
    with refused("several-components", names="3 components"):
        logic.pretrain([node])


@pytest.fixture
def sources(load_module):
    """What Sample Data lists when Slicer has started with the module."""
    slicer.modules.sampleDataSources = {}
    load_module("MedSSLPretrain")
    slicer.app.startupCompleted.emit()
    return slicer.modules.sampleDataSources["MedSSL"]


def test_every_sample_is_offered_once(sources):
    assert [source.sampleName for source in sources] == list(sampleData.SAMPLES.values())
    assert all(Path(source.thumbnailFileName).is_file() for source in sources)


def test_a_chosen_sample_is_fetched_by_its_own_name(sources, monkeypatch):
    monkeypatch.setattr(sampleData, "fetchForUser", lambda name: [name])
    assert [source.customDownloader(source) for source in sources] == [[name] for name in sampleData.SAMPLES]


@pytest.fixture
def clicked(sources, monkeypatch, tmp_path):
    """`clicked(script)` clicks the first sample, which a Python program of the test fetches; what Slicer shows meanwhile."""
    shown, dialogues = [], []
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    monkeypatch.setattr(sampleFetch, "LOOK_MS", 10)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda text, duration=0: shown.append(text))
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_details: dialogues.append(text))

    def click(script: str) -> list:
        monkeypatch.setattr(sampleFetch, "COMMAND_LINE", script)
        return sources[0].customDownloader(sources[0])

    click.shown, click.dialogues, click.samples = shown, dialogues, tmp_path / "home" / "samples"
    return click


COMES = """
import pathlib, sys, time
samples = pathlib.Path(sys.argv[-1]) / "samples"
partial = samples / "partial-chest-ct-x" / "archive"
partial.mkdir(parents=True)
(partial / "chest.tar").write_bytes(bytes(2_500_000))
time.sleep(0.4)
(samples / "chest-ct" / "images").mkdir(parents=True)
"""


def test_a_click_on_a_sample_says_how_far_it_is(clicked):
    assert clicked(COMES) == []  # a folder without images
    assert clicked.shown[0] == "Fetching chest-ct..." and "Fetching chest-ct: 2.5 MB so far" in clicked.shown
    assert clicked.shown[-1] == "Loaded chest-ct" and not clicked.dialogues


def test_a_sample_that_fails_is_told_in_a_dialogue(clicked, monkeypatch):
    with refused("resource", names="no network here"):
        clicked("import sys; print('no network here'); sys.exit(1)")
    (text,) = clicked.dialogues
    assert "chest-ct: cannot be fetched (no network here)." in text and "samples.log" in text
    assert clicked.shown[-1] == "" and slicer.app.overrideCursor() is None
    monkeypatch.setattr(sampleFetch, "chosenEnvironment", lambda: None)
    with refused("environment-missing"):
        clicked("")
    assert "Backend section" in clicked.dialogues[-1]


def test_a_second_click_is_refused_while_a_sample_comes(clicked, sources):
    errors = []

    def again():
        try:
            sources[1].customDownloader(sources[1])
        except MedSSLError as error:
            errors.append(error)

    qt.QTimer.singleShot(100, again)
    clicked(COMES)
    assert [error.code for error in errors] == ["fetching"] and "Wait until it has come" in clicked.dialogues[0]


def test_quitting_ends_the_download(clicked, tmp_path):
    """Slicer's quit ends event loops; a loop of Python's would hold it up until the download ends."""
    beat, done = tmp_path / "beat", []

    def click():
        done.append(clicked(f"import time\nfor _ in range(600): open({str(beat)!r}, 'a').write('.'); time.sleep(0.05)"))

    def quitSoon():
        slicer.app.exit(0) if beat.is_file() else qt.QTimer.singleShot(20, quitSoon)

    qt.QTimer.singleShot(0, click)
    qt.QTimer.singleShot(50, quitSoon)
    slicer.app.exec()
    assert done == [[]] and not clicked.dialogues
    size = beat.stat().st_size
    time.sleep(0.3)
    assert beat.stat().st_size == size, "the download goes on"


def test_a_slicer_without_that_module_starts_too(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sampleData.registerSampleData()


def test_the_real_function_wants_addresses_and_file_names(scene):
    """As in the application: both are counted even where a function of one's own downloads."""
    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="x", customDownloader=print)
