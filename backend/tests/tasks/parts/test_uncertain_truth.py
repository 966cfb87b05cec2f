"""Uncertain labels teach as the settings say, and are no truth to measure against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medssl.core.protocol import VERSION, DataSpec
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.tasks.classification.config import ClassificationConfig
from medssl.tasks.truth import label_spec, read_truth


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    lines = ["image,patient,Edema,Mass", "a,1,1,0", "b,2,0,1", "c,3,-1,-1", "d,4,-1,1"]
    for line in lines[1:]:
        (tmp_path / line[0]).touch()
    (tmp_path / "set.csv").write_text("\n".join(lines) + "\n")
    return read_catalog(DataSpec(path=str(tmp_path / "set.csv")), tmp_path)


@pytest.mark.parametrize(("labels", "count"), [("Edema", 2), ("Edema,Mass", 3)])
@pytest.mark.parametrize("uncertain", ["ones", "zeros", "smooth-ones"])
def test_they_are_unknown_where_models_are_measured(catalog, labels: str, count: int, uncertain: str):
    config = ClassificationConfig(labels=labels, uncertain=uncertain)
    truth = read_truth(catalog, label_spec(config, VERSION), 0, None)
    entries = list(catalog)
    assert not np.isnan(truth.targets("training", entries)).any()
    for part in ("validation", "test"):
        found = truth.targets(part, entries)
        assert np.isnan(found).sum() == count and found[0, 0] == 1 and found[1, 0] == 0
    note = truth.notes({"training": entries, "validation": entries[:2], "test": entries})[0]
    assert note == f"Uncertain labels count as unknown where models are measured: {count} of test images"


def test_jobs_begun_before_are_measured_as_they_began(catalog):
    config = ClassificationConfig(labels="Edema", uncertain="ones")
    truth = read_truth(catalog, label_spec(config, 5), 0, None)
    assert truth.targets("test", list(catalog)).tolist() == [[1], [0], [1], [1]]
    assert not truth.notes({"training": list(catalog), "test": list(catalog)})


def test_ignored_ones_are_not_said_twice(catalog):
    truth = read_truth(catalog, label_spec(ClassificationConfig(labels="Edema"), VERSION), 0, None)
    assert not truth.notes({"training": list(catalog), "test": list(catalog)})
