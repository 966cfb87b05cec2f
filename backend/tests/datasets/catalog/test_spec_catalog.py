"""Datasets of specs as the catalogue of any verb, and in a job."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from refusals import refused
from spec_trees import TREES, write

from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.labels import LabelSpec, read_labels
from medssl.datasets.spec.spec_files import ready_made
from medssl.datasets.splits.split import split_three
from medssl.jobs.check import checked

KINDS = "medssl.jobs:KINDS"


def tree(name: str, root: Path) -> dict:
    return {**ready_made()[name].as_dict(), "root": str(TREES[name](root))}


def read(tmp_path: Path, *sets: dict, **spec) -> Catalog:
    return read_catalog(DataSpec(sets=sets, **spec), tmp_path / "home")


def test_labels_attributes_and_splits(tmp_path):
    catalog = read(tmp_path, tree("chexpert", tmp_path))
    first = catalog.entries[0]
    assert first.patient == "patient00001" and first.modality == "CXR"
    assert first.labels["No Finding"] == 1 and math.isnan(first.labels["Edema"])
    assert first.attributes == {"sex": "Female", "age": "68", "view": "AP"}
    assert [entry.split for entry in catalog] == ["training", "training", "test"]
    assert first.name == "train/patient00001/study1/view1_frontal"  # all are called view1_frontal


def test_several_sets_keep_their_patients_and_columns_apart(tmp_path):
    catalog = read(tmp_path, tree("rsna-pneumonia", tmp_path / "a"), tree("shenzhen", tmp_path / "b"))
    assert catalog.patients == (
        "rsna-pneumonia/0004cfab", "rsna-pneumonia/00322d4d", "rsna-pneumonia/00436515", "shenzhen/0001", "shenzhen/0327",
    )  # fmt: skip
    classes = [entry.attributes["rsna-pneumonia"] for entry in catalog]
    assert classes == ["No Lung Opacity/Not Normal", "Lung Opacity", "Normal", "", ""]
    assert [str(entry.labels["TB"]) for entry in catalog] == ["nan", "nan", "nan", "0.0", "1.0"]


def test_tasks_read_its_labels_and_split(tmp_path):
    catalog = read(tmp_path, tree("rsna-pneumonia", tmp_path))
    labels = read_labels(catalog, LabelSpec(("rsna-pneumonia",)))
    assert labels.kind == "multi-class" and labels.targets.sum() == 3
    three = split_three(catalog, 0.3, 0.3, seed=0)
    assert sorted(map(len, (three.training, three.validation, three.test))) == [1, 1, 1]


def test_exclude_works_as_for_any_catalogue(tmp_path):
    assert len(read(tmp_path, tree("shenzhen", tmp_path), exclude=("TB=1",))) == 1


def test_names_of_sets_must_differ(tmp_path):
    one = tree("shenzhen", tmp_path)
    with refused("dataset-name-repeated", names="set shenzhen"):
        read(tmp_path, one, one)


def job(*sets: dict, method: str = "ark") -> JobSpec:
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict
    from medssl.pretraining import METHODS

    return JobSpec("pretrain", method, as_dict(config_class(METHODS, method)()), DataSpec(sets=sets))


def test_a_job_gets_complete_dataset_specs(tmp_path):
    spare = {"name": "mine", "root": str(tmp_path), "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}
    write(tmp_path, {"x.csv": ""})
    (made,) = checked(job(spare), KINDS).data.sets
    assert made["root"] == str(tmp_path) and made["missing"] == "ignore"
    assert checked(job(made), KINDS).data.sets == (made,)


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"root": ""}, "root-missing", "set mine: root"),
        ({"root": "/nowhere/at/all"}, "file-not-found", "/nowhere/at/all"),
        ({"tables": ["y.csv"]}, "file-not-found", "y.csv"),
        ({"lables": ["A"]}, "key-unknown", "'labels'"),
    ],
)
def test_a_job_is_refused_before_it_is_made(tmp_path, change, code, names):
    spare = {"name": "mine", "root": str(tmp_path), "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}
    write(tmp_path, {"x.csv": ""})
    with refused(code, names):
        checked(job({**spare, **change}), KINDS)
    with refused("dataset-name-repeated", names="set mine"):
        checked(job(spare, spare), KINDS)


def test_a_method_and_another_sort_of_data_are_refused_before_a_job_is_made(tmp_path):
    write(tmp_path, {"x.csv": ""})
    mine = {"name": "mine", "root": str(tmp_path), "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}
    with refused("method-takes-no-dataset-specs", names="'peac'"):
        checked(job(mine, method="peac"), KINDS)
    folder = JobSpec("pretrain", "ark", {}, DataSpec(str(tmp_path)))
    with refused("method-needs-dataset-specs", names="'ark'"):
        checked(folder, KINDS)


@pytest.mark.parametrize("seed", range(6))
def test_an_image_of_two_sets_is_in_one_part(tmp_path, seed):
    write(
        tmp_path, {f"{name}.csv": "image,patient,A\n" + "".join(f"{n}.png,p{n},1\n" for n in range(9)) for name in "xy"}
    )
    plain = {"root": str(tmp_path), "kind": "binary", "labels": ["A"]}
    sets = [{**plain, "name": name, "tables": [f"{name}.csv"]} for name in "xy"]
    catalog = read(tmp_path, *sets)
    assert len(catalog) == 18 and catalog.patients == tuple(f"x/p{n}" for n in range(9))
    three = split_three(catalog, 0.3, 0.3, seed)
    parts = [{entry.image for entry in part} for part in (three.training, three.validation, three.test)]
    assert sum(map(len, parts)) == 9
