"""Pretraining from the Python console, against a backend in memory; samples in Slicer's Sample Data module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import SampleData
import slicer
from MedSSLPretrainLib import sampleData
from refusals import refused
from scaffold import phantoms
from scaffold.jobs import STEPS, TrainingServer

from medssl.core.errors import CancelledError


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
    monkeypatch.setattr(sampleData, "fetchAndLoad", lambda name: [name])
    assert [source.customDownloader(source) for source in sources] == [[name] for name in sampleData.SAMPLES]


def test_a_slicer_without_that_module_starts_too(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sampleData.registerSampleData()


def test_the_real_function_wants_addresses_and_file_names(scene):
    """As in the application: both are counted even where a function of one's own downloads."""
    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="x", customDownloader=print)
