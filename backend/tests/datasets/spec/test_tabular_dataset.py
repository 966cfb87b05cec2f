"""Policies of uncertain and missing labels, and splits of datasets."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.datasets.spec.tabular_dataset import (
    OPEN,
    TEST,
    TRAINING,
    VALIDATION,
    TabularDataset,
    hard_targets,
    split_dataset,
    training_targets,
)

NAN = float("nan")


def make(stated, kind="multi-label", splits=None, patients=None, **policies) -> TabularDataset:
    stated = np.array(stated, np.float32)
    count = len(stated)
    patients = np.arange(count) if patients is None else np.array(patients)
    names = [f"p{n}" for n in range(int(patients.max()) + 1)]
    splits = np.full(count, OPEN) if splits is None else np.array(splits)
    classes = tuple(f"c{n}" for n in range(stated.shape[1]))
    return TabularDataset("toy", kind, classes, [f"{n}.png" for n in range(count)], patients.astype(np.int32), names,
                       splits.astype(np.int8), stated, **policies)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "low", "high"), [("zeros", 0, 0), ("ones", 1, 1), ("smooth-ones", 0.55, 0.85), ("smooth-zeros", 0, 0.3)]
)
def test_uncertain_and_missing_labels_follow_their_policies(policy: str, low: float, high: float):
    stated = np.tile([[1, 0, -1, NAN]], (200, 1))
    for field, column, other in (("uncertain", 2, 3), ("missing", 3, 2)):
        found = training_targets(make(stated, **{field: policy}), seed=0)
        assert (found[:, 0] == 1).all() and (found[:, 1] == 0).all() and np.isnan(found[:, other]).all()
        assert low <= found[:, column].min() <= found[:, column].max() <= high
        assert low == high or np.ptp(found[:, column]) > 0.9 * (high - low)


def test_smoothed_labels_depend_on_the_seed_alone_and_are_measured_without_smoothing():
    dataset = make(np.full((50, 1), -1.0), uncertain="smooth-ones")
    first, again, other = (training_targets(dataset, seed) for seed in (1, 1, 2))
    assert (first == again).all() and not (first == other).any()
    assert (hard_targets(dataset) == 1).all()
    assert np.isnan(hard_targets(make([[-1.0]]))).all()


def test_a_row_of_several_classes_without_its_class_is_unknown_whatever_the_policy():
    dataset = make([[1, 0, 0], [NAN, NAN, NAN], [0, 0, 1]], kind="multi-class", missing="zeros")
    for targets in (training_targets(dataset, 0), hard_targets(dataset)):
        assert targets[0].tolist() == [1, 0, 0] and np.isnan(targets[1]).all()


def test_a_stated_split_is_kept_and_validation_is_drawn_by_patient_where_it_is_missing():
    splits = [TRAINING] * 12 + [TEST] * 2
    dataset = make(np.zeros((14, 1)), splits=splits, patients=[n // 2 for n in range(14)])
    training, validation, test = split_dataset(dataset, 0.3, seed=1)
    assert test.tolist() == [12, 13] and len(validation) and len(training) and len(training) + len(validation) == 12
    patients = [set(dataset.patients[part]) for part in (training, validation, test)]
    assert not patients[0] & patients[1] and not (patients[0] | patients[1]) & patients[2]
    again = split_dataset(dataset, 0.3, seed=1)
    assert all((a == b).all() for a, b in zip((training, validation, test), again))


def test_a_patient_is_on_the_same_side_in_every_set_that_has_no_split():
    """Two tables over one cohort, in other orders and with other patients between them."""
    first = make(np.zeros((200, 1)), patients=np.arange(200))
    second = make(np.zeros((150, 1)), patients=np.arange(150))
    second.patient_names[:] = [f"p{n}" for n in np.random.default_rng(0).permutation(200)[:150]]
    held = []
    for dataset in (first, second):
        _, validation, _ = split_dataset(dataset, 0.2, 0)
        assert 0.12 < len(validation) / len(dataset) < 0.28
        held.append({dataset.patient_names[dataset.patients[n]] for n in validation})
    common = set(first.patient_names) & set(second.patient_names)
    assert held[0] & common == held[1]
    assert split_dataset(first, 0.2, 1)[1].tolist() != split_dataset(first, 0.2, 0)[1].tolist()


def test_splits_that_cannot_be_are_refused():
    with refused("split-missing", names="set toy: 1.png"):
        split_dataset(make(np.zeros((2, 1)), splits=[TRAINING, OPEN]), 0.2, 0)
    with refused("no-training-images"):
        split_dataset(make(np.zeros((2, 1)), splits=[VALIDATION, TEST]), 0.2, 0)
    with refused("one-patient", names="set toy"):
        split_dataset(make(np.zeros((2, 1)), patients=[0, 0]), 0.2, 0)
