"""A job's own split: as it recorded it, else drawn again where its data are what they were, and never guessed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.tables import write_table
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.splits.kept_split import split_rows
from medssl.datasets.splits.split import split_for_task
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs.split_record import write_split
from medssl.jobs.store import JobStore
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights
from medssl.pretraining.seen import NO_TEST
from medssl.tasks.history.recorded_split import recorded_split, training_notes

COUNTS = {"training": 5, "validation": 2, "test": 3}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def data(tmp_path: Path) -> DataSpec:
    (tmp_path / "scans").mkdir()
    for n in range(10):
        scan(tmp_path, str(n))
    return DataSpec(path=str(tmp_path / "scans"), test_fraction=0.3)


def scan(folder: Path, name: str) -> Path:
    array = np.arange(-1000, 280, 20, dtype=np.int16).reshape(4, 4, 4)
    write_volume(Volume(array), folder / "scans" / f"{name}.nrrd")
    return folder / "scans" / f"{name}.nrrd"


def made(home: Path, data: DataSpec, kind: str = "finetune", start: str = "", record: str = "") -> str:
    """A job that began; with letters of `record`, one an image (t, v or h: held out for the test), its table of the split."""
    store = JobStore(home)
    job = store.create(JobSpec(kind, "segmentation", {}, data, start_from=start))
    if record:
        entries = list(read_catalog(data, home))
        names = {"training": "t", "validation": "v", "test": "h"}
        parts = {name: [e for e, one in zip(entries, record) if one == mark] for name, mark in names.items()}
        write_split(store.folder(job), split_rows(parts))
    return job


def weights(home: Path, job: str) -> str:
    net = UNetSegmenter(4, 1, 2)
    task = {"name": "segmentation", "form": "3d", "segments": [{"value": 1, "name": "Lung"}]}
    plan = Plan(
        "unet-segmenter", net.arguments, "paper", {"kind": "ct"}, (16, 16, 8), "CT", task, provenance={"job": job}
    )
    path = JobStore(home).folder(job) / "results" / "model.safetensors"
    save_weights(path, net.state_dict(), plan)
    return str(path)


def counts(home: Path, job: str) -> dict[str, int]:
    split = recorded_split(home, job)
    return (
        {}
        if split is None
        else {part: list(split.parts.values()).count(part) for part in sorted({*split.parts.values()})}
    )


def images(data: DataSpec) -> list[Path]:
    return sorted(Path(data.path).glob("*.nrrd"))


def test_the_record_counts_whatever_the_data_are_now(home, data, tmp_path):
    job = made(home, data, record="hhhhhvvttt")  # not what would be drawn
    more = scan(tmp_path, "more")
    assert counts(home, job) == {"test": 5, "training": 3, "validation": 2}
    (note,) = training_notes(home, job, [*images(data)[5:], more])
    assert note.startswith(NO_TEST) and "3 trained the model, 2 chose its weights" in note and more.exists()
    assert not training_notes(home, job, images(data)[:5])


def test_an_image_counts_by_any_path_that_leads_to_it(home, data, tmp_path):
    job = made(home, data, record="thhhhhhhhv")
    (tmp_path / "link").symlink_to(tmp_path / "scans")
    (note,) = training_notes(home, job, [tmp_path / "link" / "0.nrrd"])
    assert "1 trained the model" in note


def test_without_a_record_nothing_is_guessed_where_images_came_since(home, data, tmp_path):
    job = made(home, data)
    assert counts(home, job) == dict(sorted(COUNTS.items()))
    os.utime(scan(tmp_path, "more"), (0, 0))  # copied with its old date
    assert recorded_split(home, job) is None
    (note,) = training_notes(home, job, images(data))
    assert "not known here" in note and NO_TEST not in note and job in note


def test_a_table_that_was_changed_since_is_not_split_again(home, data, tmp_path):
    rows = [{"image": str(image), "patient": image.stem} for image in images(data)]
    write_table(rows, tmp_path / "set.csv")
    job = made(home, replace(data, path=str(tmp_path / "set.csv")))
    assert counts(home, job) == dict(sorted(COUNTS.items()))
    write_table([*rows[1:], {**rows[0], "patient": "other"}], tmp_path / "set.csv")
    assert recorded_split(home, job) is None


@pytest.mark.parametrize(("begun", "known"), [(COUNTS, True), ({**COUNTS, "test": 4}, False), ({"training": 4}, False)])
def test_other_counts_than_the_job_began_with_are_other_data(home, data, begun: dict[str, int], known: bool):
    job = made(home, data)
    line = json.dumps({"n": 0, "time": 0.0, "type": "started", "step": 0, **begun})
    (JobStore(home).folder(job) / "events.jsonl").write_text(line + "\n")
    assert (recorded_split(home, job) is not None) == known


@pytest.mark.parametrize("agrees", [True, False])
def test_held_out_cases_of_earlier_versions_count_and_check_what_is_drawn(home, data, agrees: bool):
    job = made(home, data)
    drawn = split_for_task(read_catalog(data, home), data)
    results = JobStore(home).folder(job) / "results"
    for name, part in (("cases", drawn.test), ("validation_cases", drawn.validation if agrees else drawn.training)):
        write_table([{"image": str(one.image), "patient": one.patient} for one in part], results / f"{name}.csv")
    expected = COUNTS if agrees else {"test": 3, "validation": 5}  # the training images are not known
    assert counts(home, job) == dict(sorted(expected.items()))
    notes = training_notes(home, job, images(data))
    assert notes[0].startswith(NO_TEST) and len(notes) == (1 if agrees else 2)


def test_kept_validation_cases_are_those_of_the_other_job(home, data):
    first = made(home, data, record="hhhvvttttt")
    second = made(home, replace(data, validation_of=first), kind="probe")  # probes record no split
    split = recorded_split(home, second)
    assert split is not None
    assert "".join(split.parts[str(image)][:2] for image in images(data)) == "te" * 3 + "va" * 2 + "tr" * 5


def test_images_of_any_fold_trained_an_ensemble(home, data):
    job = made(home, replace(data, folds=3), kind="ensemble")
    assert recorded_split(home, job) is None
    rows = [
        {"image": str(image), "patient": image.stem, "fold": "test" if n > 5 else n % 3 + 1}
        for n, image in enumerate(images(data))
    ]
    write_table(rows, JobStore(home).folder(job) / "results" / "folds.csv")
    assert counts(home, job) == {"test": 4, "training": 6}
    assert "6 trained the model, 4 are of its own test" in training_notes(home, job, images(data))[0]


def test_images_that_trained_the_weights_it_began_with_are_no_test(home, data):
    first = made(home, data, record="ttttttvvhh")
    start = weights(home, first)
    second = made(home, data, start=start, record="hhhhvvtttt")
    (note,) = training_notes(home, second, images(data)[:4])
    assert note.startswith(NO_TEST) and "4 trained the model" in note and first in note and second in note
    (JobStore(home).folder(first) / "spec.json").unlink()
    Path(start).unlink()
    assert "not known here" in training_notes(home, second, images(data)[:4])[0]


def test_an_image_that_trained_is_never_called_a_test(home, data):
    job = made(home, data, record="hhhhhvvttt")
    path = JobStore(home).folder(job) / "results" / "split.csv"
    line = next(line for line in path.read_text().splitlines() if ",training," in line)
    path.write_text(path.read_text() + line.replace(",training,", ",test,") + "\n")
    assert counts(home, job)["training"] == 3


def test_the_test_images_of_the_record_are_measured(home, data, tmp_path):
    job = made(home, data, record="hhvvtttttt")
    weights(home, job)
    scan(tmp_path, "more")
    rows = []
    for n, image in enumerate(images(data)):
        write_volume(Volume((np.arange(64) < 9 + n).astype(np.uint8).reshape(4, 4, 4)), tmp_path / f"mask {n}.nrrd")
        rows.append({"image": str(image), "patient": image.stem, "mask": f"mask {n}.nrrd"})
    write_table(rows, tmp_path / "set.csv")
    asked = ["evaluate", "set.csv", "--model", job, "--replicates", "100", "--device", "cpu", "--split"]
    for split, count in (("test", 2), ("training", 6)):
        done = CliRunner().invoke(app, [*asked, split])
        assert done.exit_code == 0, (done.output, done.exception)
        evaluation = json.loads(Path("evaluation/evaluation.json").read_text())
        assert evaluation["images"] == count
        assert any(NO_TEST in note for note in evaluation["notes"]) == (split == "training")
