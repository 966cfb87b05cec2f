"""A reference that names no model: what is said depends on what it names."""

from __future__ import annotations

import dataclasses

import pytest
from refusals import refused

from medssl.core.errors import StateError
from medssl.core.files import write_json
from medssl.core.protocol import CANCELLED, FAILED, FINISHED, RUNNING, DataSpec, JobSpec, to_json
from medssl.inference.models import model_path
from medssl.jobs.check import checked
from medssl.jobs.models.missing_model import missing_model
from medssl.jobs.store import JobStore


def ended(home, name, state, kind="finetune", **status):
    """A job of this name that has ended in this way."""
    store = JobStore(home)
    job = store.create(JobSpec(kind, "segmentation", {}, DataSpec(path="x"), name=name))
    status = dataclasses.replace(store.status(job), state=state, **status)
    write_json(store.folder(job) / "status.json", to_json(status))
    return job


@pytest.mark.parametrize("by_name", [True, False])
def test_a_job_that_was_cancelled_says_so_and_how_to_go_on(tmp_path, by_name):
    job = ended(tmp_path, "liver", CANCELLED, step=40, steps=60)
    with refused("model-not-ready", ["cancelled", "40 of 60", f"medssl jobs resume {job}"]) as caught:
        model_path(tmp_path, "liver" if by_name else job)
    assert isinstance(caught.value, StateError)


def test_its_best_weights_so_far_are_named(tmp_path):
    job = ended(tmp_path, "liver", CANCELLED)
    best = JobStore(tmp_path).folder(job) / "results" / "model.safetensors"
    best.write_bytes(b"")
    assert str(best) in missing_model(tmp_path, "liver").remedy


def test_a_failed_job_says_why(tmp_path):
    ended(tmp_path, "liver", FAILED, error={"message": "disk: is full."})
    with refused("model-not-ready", ["failed", "disk: is full"]):
        model_path(tmp_path, "liver")


def test_a_running_job_is_to_be_waited_for(tmp_path):
    job = ended(tmp_path, "liver", RUNNING, pid=0)
    assert f"jobs follow {job}" in missing_model(tmp_path, job).remedy


def test_a_job_without_weights_is_no_model(tmp_path):
    ended(tmp_path, "arms", FINISHED, kind="compare")
    with refused("job-without-model", "compare"):
        model_path(tmp_path, "arms")


def test_a_misspelt_name_gets_the_nearest(tmp_path):
    ended(tmp_path, "liver", FINISHED)
    with refused("model-not-found", "'liver'"):
        model_path(tmp_path, "livre")


def test_a_folder_is_no_weight_file(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "net.safetensors").write_bytes(b"")
    with refused("model-not-found", "net.safetensors"):
        model_path(tmp_path, str(tmp_path / "w"))


def test_weights_to_start_from_are_answered_alike(tmp_path):
    ended(tmp_path, "liver", CANCELLED)
    spec = JobSpec("finetune", "segmentation", {}, DataSpec(path=str(tmp_path)), start_from="liver")
    with refused("model-not-ready", "cancelled"):
        checked(spec, home=tmp_path)
