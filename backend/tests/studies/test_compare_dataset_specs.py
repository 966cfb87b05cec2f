"""A comparison on dataset specs: its runs read the tables that were written of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import FakeRun, write_dataset_specs
from study_fakes import FAKE, study_spec

from medssl.core.files import read_json
from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.studies.comparison.check import check_compare
from medssl.studies.comparison.data import data_from_json
from medssl.studies.comparison.run import compare


def comparison(tmp_path, **keys) -> JobSpec:
    spec = study_spec(tmp_path / "data" / "table.csv", patients=[2], seeds=1)
    sets = (write_dataset_specs(tmp_path / "data", 12, **keys),)
    return check_compare(replace(spec, data=DataSpec(sets=sets, test_fraction=0.25)))


def test_its_runs_read_the_images_patients_and_labels_of_the_specs(tmp_path):
    (tmp_path / "data").mkdir()
    spec, run = comparison(tmp_path), FakeRun(tmp_path / "job", tmp_path / "home")
    compare(spec, run, FAKE)
    assert {event["state"] for event in run.of("run")} == {"finished"}
    data = data_from_json(read_json(run.folder / "study.json")["data"])
    found = read_catalog(data.spec(spec.data, "", run.folder), tmp_path)
    asked = {entry.image: entry for entry in read_catalog(spec.data, tmp_path)}
    assert len(found) == 12 and sum(entry.split == "test" for entry in found) == 3
    for entry in found:
        same = asked[entry.image]
        assert (entry.patient, entry.labels, entry.attributes, entry.modality) == (
            same.patient, same.labels, same.attributes, "CXR",
        )  # fmt: skip


@pytest.mark.parametrize("inverted", [False, True])
def test_inverted_images_stay_so(tmp_path, inverted):
    (tmp_path / "data").mkdir()
    spec, run = comparison(tmp_path, inverted=inverted), FakeRun(tmp_path / "job", tmp_path / "home")
    compare(spec, run, FAKE)
    data = data_from_json(read_json(run.folder / "study.json")["data"])
    found = read_catalog(data.spec(spec.data, "", run.folder), tmp_path)
    assert {entry.inverted for entry in found} == {inverted} and not any("inverted" in e.attributes for e in found)
