"""Fine-tuning from the Python console, against a backend in memory."""

from __future__ import annotations

import json

import pytest
from refusals import refused
from scaffold import phantoms
from scaffold.finetuning import FinetuneServer


@pytest.fixture
def server():
    return FinetuneServer(pace=200)


@pytest.fixture
def logic(make_logic, server):
    return make_logic("MedSSLPretrain", server)


def test_two_lines(logic, server):
    volumes = [phantoms.segmented(f"chest {n}")[0] for n in range(2)]
    pretrained = logic.pretrain(volumes)
    job = logic.finetune(volumes, startFrom=pretrained.model, config={"training": {"steps": 40}})
    assert job.state == "finished" and job.model == server.jobs[1].id
    spec = server.jobs[1].spec
    assert spec.start_from == pretrained.id and spec.config["training"]["steps"] == 40
    assert all(ref.mask_sha256 in server.volumes for ref in spec.data.volumes)
    again = logic.finetune(volumes, startFrom=job.model)
    assert json.loads(server.jobs[2].spec.config["classes"]) == json.loads(spec.config["classes"]) and again.model


def test_an_ensemble(logic, server):
    volumes = [phantoms.segmented(f"chest {n}")[0] for n in range(3)]
    logic.finetune(volumes, networks=3)
    assert (server.jobs[0].spec.kind, server.jobs[0].spec.data.folds) == ("ensemble", 3)
    with refused("too-few-patients", names=["3 patients", "4 networks"]):
        logic.finetune(volumes, networks=4)


def test_segmentations_by_name(logic, server):
    pairs = [phantoms.segmented(f"chest {n}") for n in range(2)]
    volumes, nodes = zip(*pairs)
    logic.finetune(volumes, segmentations=reversed(nodes))
    assert [ref.name for ref in server.jobs[0].spec.data.volumes] == ["chest 0", "chest 1"]
    with refused("counts-differ", names=["1 segmentations", "2 volumes"]):
        logic.finetune(volumes, segmentations=nodes[:1])


def test_labels(logic, server):
    volumes = [phantoms.volume(f"chest {n}", (24, 20, 16)) for n in range(2)]
    logic.finetune(volumes, labels=[{"Pneumonia": True, "Mass": None}, {"Pneumonia": 0, "Mass": 1}], modality="CT")
    spec = server.jobs[0].spec
    assert spec.method == "classification" and spec.config["labels"] == "Pneumonia,Mass" and spec.data.modality == "CT"
    assert [ref.labels for ref in spec.data.volumes] == [{"Pneumonia": 1.0}, {"Pneumonia": 0.0, "Mass": 1.0}]


def test_a_table_of_the_backends_machine(logic, server):
    config = {"labels": "Pneumonia"}
    logic.finetune("/data/chest.csv", task="probing", startFrom="/models/a.pt", config=config, preset="default")
    spec = server.jobs[0].spec
    assert (spec.kind, spec.data.path, spec.config["labels"]) == ("probe", "/data/chest.csv", "Pneumonia")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"volumes": []}, "no-images"),
        ({"volumes": "/data", "preset": "fast"}, "preset-unknown"),
        ({"volumes": "/data", "task": "magic"}, "not-registered"),
        ({"volumes": "/data", "task": "probing"}, "model-missing"),
    ],
)
def test_bad_input_is_told_before_anything_starts(logic, server, arguments, code):
    with refused(code):
        logic.finetune(**arguments)
    assert not server.jobs and not server.calls
