"""Real processes: several of them share a training, and one is killed in the middle of another."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fakes import FakeRun, tiny_spec, write_dataset_specs, write_phantoms

from medssl.core.protocol import FINISHED, INTERRUPTED, RUNNING, DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.jobs import process
from medssl.jobs.store import JobStore
from medssl.networks.weights.tensor_files import read_safetensors
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.run import pretrain


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data"))


def run_job(store: JobStore, spec: JobSpec) -> str:
    job = process.submit(store, dataclasses.replace(spec, device="cpu"))
    view = process.wait(store, job)
    assert view.status.state == FINISHED, (store.folder(job) / "log.txt").read_text()
    return job


def losses(store: JobStore, job: str) -> list[float]:
    return [event["loss"] for event in store.events(job)[0] if event["type"] == "loss"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_safetensors(folder / "results" / "model.safetensors")[0]


def test_two_gloo_processes_equal_one_that_accumulates_the_same_micro_batches(data: Path, tmp_path: Path):
    store = JobStore(tmp_path / "home")
    two = run_job(store, tiny_spec(data, devices=2, steps=4))
    one = FakeRun(tmp_path / "one", tmp_path / "home")
    pretrain(tiny_spec(data, accumulate=2, steps=4), one)
    assert losses(store, two) == pytest.approx([event["loss"] for event in one.of("loss")], rel=1e-5)


def test_torchrun_runs_a_prepared_job(data: Path, tmp_path: Path):
    store = JobStore(tmp_path / "home")
    job = store.create(dataclasses.replace(tiny_spec(data, devices=2, steps=2), device="cpu"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "medssl.jobs.child"]
    command = [sys.executable, *launcher, str(store.folder(job))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert store.status(job).state == FINISHED and len(losses(store, job)) == 2


def test_two_processes_of_an_ark_equal_one_that_accumulates(tmp_path: Path):
    """Though each step goes through one head alone, and one head is never visited: distributed networks must be told."""
    sets = {name: write_dataset_specs(tmp_path / name, 8, name) for name in ("one", "two", "never")}

    def spec(*names: str, start: str = "", **training: int) -> JobSpec:
        loop = {"steps": 3, "batch_size": 2, "precision": "fp32", "validate_every": 3, "warmup_steps": 1, **training}
        tree = {
            "backbone": "swin_micro_112", "projector": 16, "drop_path": 0.0, "teacher_update": "step", "training": loop,
        }  # fmt: skip
        chosen = tuple(sets[name] for name in names)
        return JobSpec("pretrain", "ark", as_dict(build(ArkConfig, tree)), DataSpec(sets=chosen), start_from=start)

    first = FakeRun(tmp_path / "three-heads", tmp_path / "home")
    pretrain(spec(*sets, steps=1, validate_every=1), first)
    model = str(first.folder / "results" / "model.safetensors")
    store = JobStore(tmp_path / "home")
    two = run_job(store, spec("one", "two", start=model, devices=2))
    one = FakeRun(tmp_path / "one-process", tmp_path / "home")
    pretrain(spec("one", "two", start=model, accumulate=2), one)
    assert losses(store, two) == pytest.approx([event["loss"] for event in one.of("loss")], rel=1e-5)
    assert len(losses(store, two)) == 3
    mine, others, start = weights(one.folder), weights(store.folder(two)), weights(first.folder)
    assert all(torch.allclose(mine[name].float(), others[name].float(), atol=1e-5) for name in mine)
    unvisited = [name for name in mine if name.startswith("student.omni_heads.2")]
    assert unvisited and all(torch.equal(others[name], start[name]) for name in unvisited)


@pytest.mark.parametrize("fixed_views", [0, 2])
def test_two_processes_of_an_ark_of_one_set_go_through_its_phases_like_one(tmp_path: Path, fixed_views: int):
    """Stages of the backbone that rest have no gradient, though the distributed network was made with all of them."""
    sets = (write_dataset_specs(tmp_path / "one", 8, "one"),)

    def spec(**training: int) -> JobSpec:
        loop = {"steps": 6, "batch_size": 2, "precision": "fp32", "validate_every": 6, "warmup_steps": 1, **training}
        phases = {"frozen_share": 0.34, "last_share": 0.33, "last_stages": 1, "fixed_views": fixed_views}
        tree = {
            "backbone": "swin_micro_112", "projector": 16, "drop_path": 0.0, "teacher_update": "step", **phases,
            "training": loop,
        }  # fmt: skip
        return JobSpec("pretrain", "ark", as_dict(build(ArkConfig, tree)), DataSpec(sets=sets))

    store, one = JobStore(tmp_path / "home"), FakeRun(tmp_path / "one-process", tmp_path / "home")
    two = run_job(store, spec(devices=2))
    pretrain(spec(accumulate=2), one)
    assert losses(store, two) == pytest.approx([event["loss"] for event in one.of("loss")], rel=1e-5)
    assert len(losses(store, two)) == 6
    mine, others = weights(one.folder), weights(store.folder(two))
    assert all(torch.allclose(mine[name].float(), others[name].float(), atol=1e-5) for name in mine)


def test_killed_at_a_random_step_and_resumed_ends_with_exactly_the_same_weights(data: Path, tmp_path: Path):
    store = JobStore(tmp_path / "home")
    spec = tiny_spec(data, steps=100, validate_every=25, checkpoint_every=3)  # long enough to be killed midway
    undisturbed = FakeRun(tmp_path / "undisturbed", tmp_path / "home")
    pretrain(spec, undisturbed)
    job = process.submit(store, dataclasses.replace(spec, device="cpu"))
    kill_after(store, job, step=random.randint(4, 30))
    assert store.status(job).state == INTERRUPTED
    process.resume(store, job)
    assert process.wait(store, job).status.state == FINISHED
    one, other = weights(undisturbed.folder), weights(store.folder(job))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert "resumed" in [event["type"] for event in store.events(job)[0]]


def kill_after(store: JobStore, job: str, step: int) -> None:
    """SIGKILL once the job has told the loss of `step`."""
    for event in process.follow(store, job, poll_s=0.005):
        if event["type"] == "loss" and event["step"] >= step:
            break
    status = store.status(job)
    assert status.state == RUNNING
    os.kill(status.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while store.status(job).state == RUNNING and time.monotonic() < deadline:
        time.sleep(0.05)
