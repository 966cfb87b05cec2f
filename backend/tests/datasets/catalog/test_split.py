from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_enhanced, write_series
from refusals import refused

from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry
from medssl.datasets.splits.split import split_by_patient
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume


def catalog(patients: str, splits: tuple[str, ...] = ()) -> Catalog:
    splits = splits or ("",) * len(patients)
    return Catalog(tuple(Entry(Path(f"{n}.nrrd"), p, s, name=str(n)) for n, (p, s) in enumerate(zip(patients, splits))))


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.99])
def test_no_patient_on_both_sides(fraction):
    whole = catalog("aabbccddeeff")
    split = split_by_patient(whole, fraction, seed=3)
    assert set(split.training.patients).isdisjoint(split.validation.patients)
    assert len(split.training) + len(split.validation) == 12
    assert len(split.validation.patients) == {0.01: 1, 0.3: 2, 0.99: 5}[fraction]
    assert not split.note


def test_split_is_a_function_of_the_seed():
    parts = {split_by_patient(catalog("abcdefgh"), 0.25, seed).validation.patients for seed in range(20)}
    assert len(parts) > 5
    assert split_by_patient(catalog("abcdefgh"), 0.25, 1) == split_by_patient(catalog("abcdefgh"), 0.25, 1)


def test_split_column_is_kept():
    split = split_by_patient(catalog("abc", ("training", "validation", "test")), 0.5, 0)
    assert (split.training.patients, split.validation.patients) == (("a",), ("b",))


def test_split_column_without_validation_divides_the_training_part():
    split = split_by_patient(catalog("abc", ("training", "training", "test")), 0.5, 0)
    assert sorted((*split.training.patients, *split.validation.patients)) == ["a", "b"]


def test_patient_in_two_splits_is_refused():
    with refused("patient-in-two-splits", names=["patient a", "training and validation"]):
        split_by_patient(catalog("aba", ("training", "training", "validation")), 0.2, 0)
    with refused("split-missing", names="image 1"):
        split_by_patient(catalog("ab", ("training", "")), 0.2, 0)
    with refused("no-training-images"):
        split_by_patient(catalog("ab", ("validation", "test")), 0.2, 0)


@pytest.mark.parametrize(
    ("depth", "train", "last"),
    [(133, (0, 69), (101, 133)), (400, (0, 288), (320, 400)), (30, (0, 10), (20, 30)), (96, (0, 32), (64, 96))],
)
def test_one_patient_is_split_along_k(tmp_path, rng, depth, train, last):
    write_volume(Volume(rng.integers(0, 9, (4, 5, depth)).astype("int16")), tmp_path / "a.nrrd")
    whole = Catalog((Entry(tmp_path / "a.nrrd", "only"),))
    split = split_by_patient(whole, 0.2, seed=0, crop_depth=32)
    assert (split.training.entries[0].slices, split.validation.entries[0].slices) == (train, last)
    assert "one patient (only)" in split.note


def test_one_patient_as_dicom_series(tmp_path, ct):
    folder = write_series(tmp_path / "s", ct.array[:4, :4, :9], list(range(9)))
    split = split_by_patient(Catalog((Entry(folder, "x"),)), 0.2, seed=0)
    assert (split.training.entries[0].slices, split.validation.entries[0].slices) == ((0, 3), (6, 9))


def test_one_patient_with_one_slice_is_refused(tmp_path):
    write_volume(Volume(np.zeros((4, 5, 1), "int16")), tmp_path / "a.nrrd")
    with refused("one-patient", names="patient x"):
        split_by_patient(Catalog((Entry(tmp_path / "a.nrrd", "x"),)), 0.2, seed=0)


@pytest.mark.parametrize("in_folder", [True, False])
def test_an_enhanced_file_has_as_many_slices_as_frames(tmp_path, in_folder):
    frames = [{"position": [0.0, 0.0, 2.0 * k]} for k in range(60)]
    path = write_enhanced(tmp_path / "e.dcm", np.zeros((4, 5, 60), np.uint16), frames)
    one = Entry(tmp_path if in_folder else path, "x", name="e")
    split = split_by_patient(Catalog((one,)), 0.2, seed=0, crop_depth=10)
    assert split.training.entries[0].slices == (0, 38) and split.validation.entries[0].slices == (48, 60)
