"""Test images that trained the weights to begin with: a fine-tuned model's count as those of a pretraining with labels do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import FakeRun
from study_fakes import FAKE, study_spec, write_catalog
from test_recorded_split import data, home, images, made, scan, weights

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.splits.kept_split import split_rows
from medssl.jobs.split_record import write_split
from medssl.jobs.store import JobStore
from medssl.pretraining.seen import NO_TEST
from medssl.studies.comparison.run import compare
from medssl.tasks.history.recorded_split import training_notes
from medssl.tasks.history.seen_tests import notes_on_tests

__all__ = ["data", "home"]


def test_images_that_fine_tuned_the_weights_or_chose_them_are_no_test(home, data):
    job = made(home, data, record="hhhhhvvttt")
    start = weights(home, job)
    (note,) = notes_on_tests(home, start, images(data)[3:])
    assert note.startswith(NO_TEST) and "5 of 7 test images were trained on" in note and job in note
    assert notes_on_tests(home, job, images(data)[3:]) == (note,)
    assert notes_on_tests(home, start, images(data)[:5]) == () == notes_on_tests(home, "", images(data))


def test_those_of_an_earlier_round_count_too(home, data):
    first = made(home, data, record="ttttttvvhh")
    second = made(home, data, start=weights(home, first), record="hhhhvvtttt")
    (note,) = notes_on_tests(home, weights(home, second), images(data)[:4])
    assert "4 of 4 test images" in note and first in note and second not in note


def test_other_images_of_patients_who_trained_the_model_are_named(home, data, tmp_path):
    job = made(home, data, record="hhhhhvvttt")
    more = scan(tmp_path, "later")
    (note,) = training_notes(home, job, [more, images(data)[0]], ["9", "0"])
    assert "1 further image is of patients named as those" in note and f"({job}; 9)" in note.replace("job ", "")
    assert not training_notes(home, job, [more], ["0"]) and not training_notes(home, job, [more], [""])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "data")


def test_a_comparison_says_which_arm_knows_its_test_images(home, study, tmp_path):
    entries = list(read_catalog(DataSpec(path=str(study)), home))
    job = JobStore(home).create(study_spec(study))
    write_split(JobStore(home).folder(job), split_rows({"training": entries}))
    spec = study_spec(study, arms=[{"name": "scratch"}, {"name": "tuned", "weights": weights(home, job)}])
    run = FakeRun(home / "jobs" / "study", home)
    compare(spec, run, FAKE)
    tests = sum(entry.split == "test" for entry in entries)
    (note,) = [event["message"] for event in run.of("warning") if event["message"].startswith(NO_TEST)]
    assert f"{tests} of {tests} test images" in note and note.endswith("(arm tuned)")
    assert note in json.loads((run.folder / "study.json").read_text())["data"]["notes"]
    page = (run.folder / "results" / "report.html").read_text()
    assert NO_TEST in page and page.index(NO_TEST) < page.index("Arms")
