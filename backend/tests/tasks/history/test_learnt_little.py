"""Weights whose pretraining learnt little are no start without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import FakeRun, tiny_spec, write_phantoms
from study_fakes import FAKE, study_spec, write_catalog

from medssl.jobs.store import JobStore
from medssl.pretraining.run import pretrain
from medssl.studies.comparison.run import compare
from medssl.tasks.history.learnt_little import DOUBT, notes_on_learning


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """A pretraining of two steps."""
    folder = tmp_path_factory.mktemp("little")
    spec, home = tiny_spec(write_phantoms(folder / "data"), steps=2), folder / "home"
    job = JobStore(home).create(spec)
    run = FakeRun(home / "jobs" / job, home)
    pretrain(spec, run)
    (run.folder / "events.jsonl").write_text(
        "".join(json.dumps({"n": n, **e}) + "\n" for n, e in enumerate(run.events))
    )
    return run


def test_a_pretraining_ends_with_a_sentence(run):
    (verdict,) = run.of("verdict")
    assert verdict["good"] is False and "that of a constant" in verdict["text"]


def test_weights_that_learnt_little_are_noted_before_others_begin_with_them(run, tmp_path: Path):
    start = str(run.folder / "results" / "model.safetensors")
    (note,) = notes_on_learning(run.home, start)
    assert note.startswith(DOUBT) and run.folder.name in note and "Train it longer" in note
    assert notes_on_learning(tmp_path, start) == () == notes_on_learning(run.home, "")


def test_a_comparison_says_so_of_an_arm(run):
    data = write_catalog(run.home / "data")
    start = str(run.folder / "results" / "model.safetensors")
    study = study_spec(data, arms=[{"name": "scratch"}, {"name": "genesis", "weights": start}])
    job = FakeRun(run.home / "jobs" / "study", run.home)
    compare(study, job, FAKE)
    assert any(
        event["message"].startswith(DOUBT) and event["message"].endswith("(arm genesis)") for event in job.of("warning")
    )
    page = (job.folder / "results" / "report.html").read_text()
    assert page.index(DOUBT) < page.index("Arms")
