"""A new method is its folder, a line in METHODS and a line for its network: training, server, command line and inspections follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_phantoms
from fastapi.testclient import TestClient
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app as commands
from medssl.core.capabilities import EMBED, RESTORE, starts
from medssl.core.errors import WeightsError
from medssl.core.protocol import DataSpec, JobSpec, VolumeRef, to_json
from medssl.core.registry import MethodEntry
from medssl.core.requests import CorrespondRequest, RestoreRequest
from medssl.handlers.worker.local import run_here as inspect_here
from medssl.jobs.check import checked
from medssl.jobs.folder_run import run_here
from medssl.jobs.store import JobStore
from medssl.networks import NETWORKS, NetworkEntry
from medssl.networks.weights.export import describe
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining import METHODS
from medssl.server.app import create_app

KINDS = "medssl.jobs:KINDS"
LOOP = {
    "steps": 4,
    "batch_size": 2,
    "validate_every": 2,
    "validation_samples": 2,
    "warmup_steps": 1,
    "precision": "fp32",
}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The two lines."""
    line = MethodEntry("toy_method:ToyConfig", "toy_method:Toy", starts_from=("toy",))
    monkeypatch.setitem(METHODS, "toy", line)
    monkeypatch.setitem(NETWORKS, "toy", NetworkEntry("toy_method:ToyNetwork", can=(RESTORE, EMBED)))


@pytest.fixture
def data(tmp_path: Path) -> DataSpec:
    return DataSpec(path=str(write_phantoms(tmp_path / "data")), modality="CT", validation_fraction=0.34)


@pytest.fixture
def job(home: Path, data: DataSpec) -> str:
    """A finished training."""
    store = JobStore(home)
    job = store.create(checked(JobSpec("pretrain", "toy", {"training": LOOP}, data, name="a toy"), KINDS))
    run_here(store.folder(job), home, "cpu", lambda: False, KINDS)
    assert store.status(job).state == "finished", store.status(job).error
    return job


@pytest.fixture
def volume(data: DataSpec) -> VolumeRef:
    return VolumeRef(path=str(Path(data.path) / "patient0.nrrd"))


def ask(name: str, request, home: Path, folder: Path):
    return inspect_here(name, to_json(request), home, folder, lambda *_: None)


def test_it_trains_and_says_what_its_weights_are(home, job):
    losses = [event["loss"] for event in JobStore(home).events(job)[0] if event["type"] == "loss"]
    assert losses and losses == [loss for loss in losses if 0 < loss < 1]
    net = load_weights(home / "jobs" / job / "results" / "model.safetensors")
    assert net.plan.method == "toy" and net.plan.provenance["job"] == job
    assert "pred: restored image" in describe(net)


def test_the_server_lists_the_method_and_the_model_with_what_it_can(home, job):
    with TestClient(create_app(home, "t"), base_url="http://127.0.0.1:1") as client:
        client.headers["Authorization"] = "Bearer t"
        methods = {one["name"]: one for one in client.get("/methods").json()}
        (model,) = client.get("/models").json()
    toy = methods["toy"]
    assert toy["title"] == "Toy denoising" and [field["name"] for field in toy["fields"]] == ["channels", "training"]
    assert not toy["declared"] and toy["presets"]["laptop"]["training"]["steps"] == 4
    assert toy["can"] == model["can"] == [RESTORE, EMBED, starts("toy")]
    assert (model["model"], model["name"], model["method"]) == (job, "a toy", "toy")


def test_the_command_line_lists_it():
    listed = CliRunner().invoke(commands, ["methods"]).output
    assert "toy" in listed and "Toy denoising" in listed
    assert "channels" in CliRunner().invoke(commands, ["methods", "toy"]).output


def test_an_inspection_that_it_can_answer_takes_it(home, job, volume, tmp_path):
    result = ask("restore", RestoreRequest(volume, job, device="cpu"), home, tmp_path / "restored")
    assert result.info["method"] == "toy" and [row["image"] for row in result.table][1] == "restored"


def test_an_inspection_that_it_cannot_answer_refuses_it_and_names_those_who_can(home, job, volume, tmp_path):
    with pytest.raises(WeightsError) as refused:
        ask("correspond", CorrespondRequest((volume, volume), job, device="cpu"), home, tmp_path / "none")
    assert (refused.value.value, refused.value.rule) == ("model of method 'toy'", "has no patch embeddings")
    assert refused.value.remedy == "Choose a PEAC model or a Dense anatomy model"


def test_a_refusal_of_another_model_names_it_as_a_remedy(home, volume, tmp_path):
    with refused("model-unsuitable", names=["Models Genesis", "Toy denoising"]):
        ask("restore", RestoreRequest(volume, "untrained:laptop", device="cpu"), home, tmp_path / "none")
