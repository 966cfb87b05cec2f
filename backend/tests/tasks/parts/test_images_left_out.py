"""Images that no classification can look at are left out of all parts before the training, never met after it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeRun
from PIL import Image
from task_sets import run, task_spec, write_pictures

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.labels import LabelSpec
from medssl.datasets.splits.kept_split import split_rows
from medssl.images.intensity.config import NormalisationConfig
from medssl.jobs.split_record import Begun
from medssl.tasks.labelled_data import read_parts
from medssl.tasks.start import start_normalisation
from medssl.tasks.transfer_config import SelectionConfig

UNFIT = {"training": "picture0", "validation": "picture4", "test": "picture7"}


def noise(path: Path, shape: tuple[int, int], low: int = 0, high: int = 255) -> None:
    Image.fromarray(np.random.default_rng(0).integers(low, high, shape, np.uint8)).save(path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Of each part one picture is none: without contrast, too long, too small."""
    catalogue = write_pictures(tmp_path / "data")
    noise(tmp_path / "data" / "picture0.png", (150, 140), 100, 108)
    noise(tmp_path / "data" / "picture4.png", (300, 66))
    noise(tmp_path / "data" / "picture7.png", (60, 140))
    return catalogue


def read(table: Path, folder: Path, **more):
    rule = lambda modality: start_normalisation(NormalisationConfig(), None, modality)  # noqa: E731
    job = FakeRun(folder / "job", folder / "home")
    return read_parts(DataSpec(path=str(table)), job, SelectionConfig(), 0, LabelSpec(("Bright",)), rule=rule, **more)


def test_they_are_left_out_of_every_part_and_named(tmp_path: Path, table: Path):
    parts = read(table, tmp_path)
    assert {one.entry.name: one.error.code for one in parts.skipped} == {
        "picture0": "image-without-contrast", "picture4": "image-too-long", "picture7": "image-too-small",
    }  # fmt: skip
    for name, unfit in UNFIT.items():
        part = getattr(parts, name)
        assert len(part) and unfit not in {entry.name for entry in part.entries}
    (note,) = [note for note in parts.every_note() if "left out" in note]
    assert note.startswith("3 of 12 images") and all(name in note for name in UNFIT.values())


def test_a_training_that_goes_on_keeps_those_that_it_began_with(tmp_path: Path, table: Path):
    parts: dict[str, list] = {name: [] for name in UNFIT}
    for entry in read_catalog(DataSpec(path=str(table)), tmp_path):
        parts[entry.split].append(entry)
    begun = Begun(tuple(split_rows(parts)), "binary", ("Bright",))
    kept = read(table, tmp_path, begun=begun)
    assert not kept.skipped and [entry.name for entry in kept.test.entries] == [one.name for one in parts["test"]]


def test_a_job_with_such_a_test_image_ends_and_measures_the_others(tmp_path: Path):
    table = write_pictures(tmp_path / "data")
    noise(tmp_path / "data" / "picture7.png", (60, 140))
    headline, job = run(task_spec("classification", table), tmp_path)
    with (job.folder / "results" / "predictions.csv").open(newline="") as file:
        assert [row["patient"] for row in csv.DictReader(file)] == ["p6", "p11"]
    assert headline["test"]["auc"] is not None
    assert any(one["code"] == "unreadable-image" and "picture7" in one["message"] for one in job.of("warning"))
