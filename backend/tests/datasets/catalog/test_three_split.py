from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.labels import Labels
from medssl.datasets.entry import Entry
from medssl.datasets.splits.split import folds, split_three
from medssl.datasets.splits.subset import subset


def catalog(patients: str, splits: str = "") -> Catalog:
    """Patients are letters; splits t(raining), v(alidation), x (test)."""
    names = {"t": "training", "v": "validation", "x": "test", " ": ""}
    splits = splits or " " * len(patients)
    return Catalog(
        tuple(Entry(Path(f"{n}.nrrd"), p, names[s], name=str(n)) for n, (p, s) in enumerate(zip(patients, splits)))
    )


def patients(split) -> tuple[set, set, set]:
    return set(split.training.patients), set(split.validation.patients), set(split.test.patients)


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_in_two_parts_and_none_lost(seed):
    whole = catalog("aabbccddeeffgghhiijj")
    split = split_three(whole, 0.2, 0.3, seed)
    assert [len(p) for p in patients(split)] == [5, 2, 3]
    assert len(set.union(*patients(split))) == 10
    assert sum(map(len, (split.training, split.validation, split.test))) == 20
    assert split == split_three(whole, 0.2, 0.3, seed)


def test_no_test_set_unless_asked_for():
    split = split_three(catalog("abcde"), 0.2, 0.0, 0)
    assert len(split.test) == 0 and len(split.validation) == 1


def test_every_part_gets_a_patient_of_three():
    assert [len(p) for p in patients(split_three(catalog("abc"), 0.9, 0.05, 0))] == [1, 1, 1]
    with refused("too-few-patients", names="2 patients"):
        split_three(catalog("aabb"), 0.2, 0.2, 0)
    with refused("too-few-patients", names="1 patient:"):
        split_three(catalog("aaaa"), 0.2, 0.0, 0)


def test_a_split_column_wins_and_what_it_lacks_is_drawn():
    whole = split_three(catalog("abcdef", "ttvvxx"), 0.5, 0.4, 0)
    assert patients(whole) == ({"a", "b"}, {"c", "d"}, {"e", "f"}) and not whole.notes
    drawn = split_three(catalog("abcdef", "ttttxx"), 0.2, 0.4, 0)
    assert len(drawn.validation.patients) == 1 and set(drawn.test.patients) == {"e", "f"}
    assert "names no validation images" in drawn.notes[0]


def test_a_patient_planted_in_two_splits_is_refused():
    for splits in ("ttvvxt", "ttvvxv"):
        with refused("patient-in-two-splits", names="patient e"):
            split_three(catalog("abcdee", splits), 0.2, 0.2, 0)


def test_changing_the_test_images_changes_no_other_part():
    """What lies in the test set decides nothing: neither who trains, nor who validates, nor a subset."""
    one = split_three(catalog("abcdefg", "tttttxx"), 0.3, 0.2, 4)
    other = split_three(catalog("abcdeXYZ", "tttttxxx"), 0.3, 0.2, 4)
    assert patients(one)[:2] == patients(other)[:2]
    assert subset(one.training, 1, patients=2) == subset(other.training, 1, patients=2)


def test_folds_test_everyone_once():
    parts = folds(catalog("aabcdefgh"), 4, seed=2)
    assert sorted(p for part in parts for p in part.test.patients) == list("abcdefgh")
    assert sorted(p for part in parts for p in part.validation.patients) == list("abcdefgh")
    for part in parts:
        train, validation, test = patients(part)
        assert not (train & validation or train & test or validation & test) and len(train | validation | test) == 8


def test_fewer_patients_than_folds():
    with refused("too-few-patients", names=["4 patients", "5 folds"]):
        folds(catalog("aabbccdd"), 5, 0)
    with refused("too-few-folds", names="2 folds"):
        folds(catalog("abcd"), 2, 0)


def test_subsets_are_nested_and_seeded():
    whole = catalog("aabbccddeeffgghhiijj")
    parts = [set(subset(whole, 3, patients=n).patients) for n in (1, 2, 5, 10)]
    assert [len(p) for p in parts] == [1, 2, 5, 10]
    assert all(small < large for small, large in itertools.pairwise(parts))
    assert subset(whole, 3, fraction=0.5) == subset(whole, 3, patients=5)
    assert len({subset(whole, seed, patients=2).patients for seed in range(20)}) > 5
    assert subset(whole, 3) == whole and len(subset(whole, 3, fraction=0.001).patients) == 1
    with refused("too-few-patients", names=["11 patients", "10"]):
        subset(whole, 3, patients=11)


def test_images_per_class_come_from_different_patients():
    whole = catalog("aaaabbbbcdefgh")
    targets = np.array([1, 1, 0, 0] * 2 + [1, 0, 1, 0, 1, 0], np.float32)[:, None]
    labels = Labels("binary", ("sick",), targets)
    positive = {entry.name for entry, sick in zip(whole, targets[:, 0]) if sick}
    for count in (1, 2, 3, 5):
        part = subset(whole, 0, per_class=count, labels=labels)
        assert len(part) == 2 * count and len({e.name for e in part} & positive) == count
        assert count > 3 or len({e.patient for e in part if e.name in positive}) == count
    assert {e.name for e in subset(whole, 0, per_class=2, labels=labels)} < {
        e.name for e in subset(whole, 0, per_class=4, labels=labels)
    }
    with refused("too-few-images-of-class", names="7 of class 'sick'"):
        subset(whole, 0, per_class=8, labels=labels)
    with refused("labels-needed", names="2 images per class"):
        subset(whole, 0, per_class=2)
