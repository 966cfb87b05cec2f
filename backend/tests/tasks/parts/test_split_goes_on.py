"""What a training began with stays what it learns from, whatever happens to the catalogue while it is interrupted."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk
from fakes import FakeRun
from refusals import refused
from task_sets import SMALL, run, task_spec, write_pictures, write_table, write_volumes

from medssl.core.errors import CancelledError
from medssl.core.plan import read_plan
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.labels import LabelSpec
from medssl.datasets.entry import Entry
from medssl.datasets.splits.kept_split import as_begun, split_rows
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.jobs.split_record import read_split, write_split
from medssl.tasks.labelled_data import read_parts
from medssl.tasks.run import run_task
from medssl.tasks.transfer_config import SelectionConfig

SPLIT = ("training", "validation", "test")


def table(folder: Path, patients, source: str = "volumes.csv", split=lambda row: "", name: str = "set.csv") -> DataSpec:
    """A catalogue of some of the patients, in this order; by default without splits."""
    with (folder / source).open(newline="") as file:
        rows = {int(row["patient"][1:]): {**row, "split": split(row)} for row in csv.DictReader(file)}
    return DataSpec(path=str(write_table(folder / name, [rows[n] for n in patients])), test_fraction=0.25)


def begin(spec, folder: Path) -> FakeRun:
    """A training that is stopped after its first steps."""
    job = FakeRun(folder / "job", folder / "home", cancel_at=2)
    with pytest.raises(CancelledError):
        run_task(spec, job)
    return job


def go_on(spec, begun: FakeRun) -> FakeRun:
    job = FakeRun(begun.folder, begun.home, resume=True)
    run_task(spec, job)
    return job


def recorded(job: FakeRun) -> list[tuple[str, str]]:
    return [(row["patient"], row["split"]) for row in read_split(job.folder)]


@pytest.fixture
def volumes(tmp_path) -> Path:
    write_volumes(tmp_path / "data")
    return tmp_path / "data"


def test_cases_that_were_added_since_are_left_out(tmp_path, volumes):
    spec = task_spec("segmentation", table(volumes, range(6)))
    job = begin(spec, tmp_path)
    before = recorded(job)
    assert {split for _, split in before} == set(SPLIT)
    assert table(volumes, [7, 6, *reversed(range(6))]) == spec.data, "other rows under the same name"
    after = go_on(spec, job)
    assert recorded(after) == before
    assert any("2 images are no part of this training" in one["message"] for one in after.of("warning"))


def test_it_learns_what_it_would_have_learnt_without_the_stop(tmp_path, volumes):
    spec = task_spec("segmentation", table(volumes, range(6)))
    job = begin(spec, tmp_path / "stopped")
    table(volumes, [7, *range(6), 6])
    table(volumes, range(6), name="again.csv")
    go_on(spec, job)
    _whole, through = run(replace(spec, data=replace(spec.data, path=str(volumes / "again.csv"))), tmp_path / "whole")
    assert (job.folder / "results/cases.csv").read_text() == (through.folder / "results/cases.csv").read_text()


def test_which_training_patients_were_chosen_stays(tmp_path, volumes):
    data = table(volumes, range(8), split=lambda row: row["split"])
    spec = task_spec("segmentation", data, select={"patients": 2, "seed": 3})
    job = begin(spec, tmp_path)
    before = recorded(job)
    assert sum(split == "training" for _, split in before) == 2
    assert recorded(go_on(spec, job)) == before


def test_that_a_part_was_drawn_is_said_again(tmp_path, volumes):
    data = table(volumes, range(8), split=lambda row: {"test": "train"}.get(row["split"], row["split"]))
    spec = task_spec("segmentation", data)
    job = begin(spec, tmp_path)
    said = "The catalogue names no test images: 2 training patients were drawn"
    assert said in [one["message"] for one in job.of("warning")]
    assert said in [one["message"] for one in go_on(spec, job).of("warning")]


def test_a_fold_stays(tmp_path, volumes):
    spec = task_spec("segmentation", replace(table(volumes, range(6)), folds=3, fold=1))
    job = begin(spec, tmp_path)
    before = recorded(job)
    table(volumes, range(8))
    assert recorded(go_on(spec, job)) == before


def test_classes_stay_too(tmp_path):
    write_pictures(tmp_path / "data")
    own = {"source": "pictures.csv", "split": lambda row: row["split"]}
    spec = task_spec("classification", table(tmp_path / "data", range(8), **own), labels="shade")
    job = begin(spec, tmp_path)
    before = recorded(job)
    table(tmp_path / "data", range(12), **own)
    with (tmp_path / "data" / "set.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[-1]["shade"] = "unheard of"
    write_table(tmp_path / "data" / "set.csv", rows)
    assert recorded(go_on(spec, job)) == before
    assert read_plan(job.folder / "results" / "model.safetensors").task["classes"] == ["bright", "dark"]


def test_what_is_gone_or_broken_is_refused_and_nothing_is_drawn_in_its_place(tmp_path, volumes):
    spec = task_spec("segmentation", table(volumes, range(6)))
    job = begin(spec, tmp_path)
    before = recorded(job)
    table(volumes, range(5))
    with refused("split-changed", names="image5"):
        go_on(spec, job)
    table(volumes, range(6))
    whole = (volumes / "image3.nrrd").read_bytes()
    (volumes / "image3.nrrd").write_bytes(whole[:200])
    with refused("split-changed", names="image3.nrrd"):
        go_on(spec, job)
    assert recorded(job) == before
    (volumes / "image3.nrrd").write_bytes(whole)
    assert recorded(go_on(spec, job)) == before


@pytest.mark.parametrize("spoilt", range(4))
def test_an_image_that_cannot_be_shown_to_the_network_is_left_out_before_the_training(tmp_path, volumes, spoilt):
    """A constant test image was found when the training was over, and every time it was resumed."""
    picture = sitk.ReadImage(str(volumes / f"image{spoilt}.nrrd"))
    sitk.WriteImage(picture * 0, str(volumes / f"image{spoilt}.nrrd"))
    spec = task_spec("segmentation", table(volumes, range(4)))
    _, job = run(spec, tmp_path)
    assert sorted({patient for patient, _ in recorded(job)}) == [f"p{n}" for n in range(4) if n != spoilt]
    warned = [one for one in job.of("warning") if one["code"] == "unreadable-image"]
    assert len(warned) == 1 and f"image{spoilt}" in warned[0]["message"] and "constant" in warned[0]["message"]


def test_a_ct_that_is_none_is_refused_before_the_training(tmp_path):
    write_volumes(tmp_path / "data")
    for number in range(8):
        picture = sitk.ReadImage(str(tmp_path / "data" / f"image{number}.nrrd"))
        sitk.WriteImage(picture - (0 if number == 7 else 1000), str(tmp_path / "data" / f"image{number}.nrrd"))
    data = replace(table(tmp_path / "data", range(8), split=lambda row: row["split"]), modality="CT")
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("not-hounsfield", names="image7"):
        run_task(task_spec("segmentation", data), job)
    assert not job.of("loss"), "the test image is looked at before the training"


def test_a_constant_further_channel_is_left_out(tmp_path, volumes):
    shutil.copyfile(volumes / "mask0.nrrd", volumes / "other0.nrrd")
    for number in range(1, 5):
        shutil.copyfile(volumes / f"image{number - 1}.nrrd", volumes / f"other{number}.nrrd")
    flat = sitk.ReadImage(str(volumes / "other3.nrrd"))
    sitk.WriteImage(flat * 0, str(volumes / "other3.nrrd"))
    rows = [
        {"image": f"image{n}.nrrd", "image_1": f"other{n}.nrrd", "patient": f"p{n}", "mask": f"mask{n}.nrrd", "modality": "MR"}
        for n in range(1, 5)
    ]  # fmt: skip
    data = DataSpec(path=str(write_table(volumes / "two.csv", rows)), test_fraction=0.0)
    parts = read_parts(data, FakeRun(tmp_path / "job", tmp_path / "home"), SelectionConfig(), 0)
    assert [one.entry.patient for one in parts.skipped] == ["p3"] and "constant" in parts.skipped[0].reason


def test_classes_of_patients_that_were_not_chosen_stay(tmp_path):
    """What was taught was decided on the whole set; of what is resumed a part is left."""
    write_pictures(tmp_path / "data")
    own = {"source": "pictures.csv", "split": lambda row: row["split"]}
    data = table(tmp_path / "data", range(12), **own)
    with (tmp_path / "data" / "set.csv").open() as file:
        rows = list(csv.DictReader(file))
    train = [row for row in rows if row["split"] == "train"]
    spec = task_spec("classification", data, labels="shade", select={"patients": 4, "seed": 1})
    probe = FakeRun(tmp_path / "look", tmp_path / "home")
    labels = LabelSpec(("shade",))
    chosen = {
        one.patient
        for one in read_parts(data, probe, SelectionConfig(patients=4, seed=1), SPLIT_SEED, labels).training.entries
    }
    other = next(row for row in train if row["patient"] not in chosen)
    other["shade"] = "dim"
    write_table(tmp_path / "data" / "set.csv", rows)
    job = begin(spec, tmp_path)
    go_on(spec, job)
    assert read_plan(job.folder / "results" / "model.safetensors").task["classes"] == ["bright", "dark", "dim"]


def test_a_copied_home_goes_on(tmp_path):
    """Uploaded volumes lie in the home folder, whose place the record names."""
    write_volumes(tmp_path / "first" / "volumes")
    spec = task_spec("segmentation", table(tmp_path / "first" / "volumes", range(5)))
    job = FakeRun(tmp_path / "first" / "jobs" / "one", tmp_path / "first", cancel_at=2)
    with pytest.raises(CancelledError):
        run_task(spec, job)
    before = recorded(job)
    shutil.move(tmp_path / "first", tmp_path / "second")
    data = replace(spec.data, path=str(tmp_path / "second" / "volumes" / "set.csv"))
    again = FakeRun(tmp_path / "second" / "jobs" / "one", tmp_path / "second", resume=True)
    run_task(replace(spec, data=data), again)
    assert recorded(again) == before


def test_rows_of_one_scan_keep_their_order_and_new_ones_are_left_out(tmp_path):
    def entry(n: int, scan: str = "a") -> Entry:
        return Entry(Path(f"/{scan}.nrrd"), scan, name=scan, point=(float(n), 0.0, 0.0))

    began = [entry(0), entry(5, "b"), entry(1)]
    (tmp_path / "results").mkdir()
    write_split(tmp_path, split_rows({"training": began[:2], "test": began[2:]}))
    record = read_split(tmp_path)
    now = Catalog((entry(1), entry(7), entry(5, "b"), entry(0)))
    kept, added = as_begun(now, record)
    assert [(one.point[0], one.split) for one in kept] == [
        (0.0, "training"),
        (5.0, "training"),
        (1.0, "test"),
    ] and added == 1
    with refused("split-changed", names="a"):
        as_begun(Catalog((entry(0), entry(5, "b"), entry(7))), record)
    older = [{name: value for name, value in row.items() if name != "which"} for row in record]
    assert len(as_begun(now, older)[0]) == 3, "records of earlier versions do not tell them apart"


def test_a_round_draws_no_test_patients_from_those_who_trained(tmp_path, volumes):
    first = replace(table(volumes, range(5), name="first.csv"), test_fraction=0.0)
    training = {**SMALL["segmentation"]["training"], "steps": 2, "validate_every": 2}
    job = FakeRun(tmp_path / "home" / "jobs" / "first", tmp_path / "home")
    run_task(task_spec("segmentation", first, training=training), job)
    trained = {row["patient"] for row in read_split(job.folder) if row["split"] == "training"}
    data = replace(table(volumes, range(8)), validation_of="first", test_fraction=0.4)
    parts = read_parts(data, FakeRun(tmp_path / "job", tmp_path / "home"), SelectionConfig(), 0)
    assert not parts.test.entries and trained <= {one.patient for one in parts.training.entries}


def test_a_round_says_which_test_cases_are_gone(tmp_path, volumes):
    training = {**SMALL["segmentation"]["training"], "steps": 2, "validate_every": 2}
    job = FakeRun(tmp_path / "home" / "jobs" / "first", tmp_path / "home")
    run_task(task_spec("segmentation", table(volumes, range(6), name="first.csv"), training=training), job)
    gone = next(row["patient"] for row in read_split(job.folder) if row["split"] == "test")
    data = table(volumes, [n for n in range(8) if f"p{n}" != gone])
    parts = read_parts(
        replace(data, validation_of="first"), FakeRun(tmp_path / "job", tmp_path / "home"), SelectionConfig(), 0
    )
    assert gone not in {one.patient for one in parts.training.entries}
    assert any(f"Test cases {gone} of job first" in note for note in parts.about)


def test_a_finish_that_was_killed_chooses_anew(tmp_path, volumes, monkeypatch):
    """The file then holds the first choice already, which the second one must not build upon."""
    from medssl.tasks.segmentation import measuring

    chosen = []

    def choose(values, classes):
        chosen.append(values)
        return [{"step": "largest", "value": 1, "class": "Left", "dice_before": 0.1, "dice_after": 0.2, "cases": 1}]

    monkeypatch.setattr(measuring, "choose_steps", choose)
    asked = []
    real = measuring.segment_image
    monkeypatch.setattr(
        measuring, "segment_image",
        lambda image, network, *rest, **more: asked.append(dict(network.plan.task)) or real(image, network, *rest, **more),
    )  # fmt: skip
    spec = task_spec("segmentation", table(volumes, range(4)), postprocessing="auto")
    _, job = run(spec, tmp_path)
    assert read_plan(job.folder / "results" / "model.safetensors").task["postprocessing"][0]["step"] == "largest"
    asked.clear()
    go_on(spec, job)
    assert "postprocessing" not in asked[0] and len(chosen) == 2
