"""Ready-made dataset specs against small folders in the sets' public layouts."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spec_trees
from refusals import refused
from spec_trees import TREES

from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import read_dataset_spec, ready_made, ready_made_text, template, to_yaml
from medssl.datasets.spec.tabular_dataset import TEST, TRAINING, VALIDATION, TabularDataset


def read(name: str, root: Path) -> TabularDataset:
    return read_dataset(replace(ready_made()[name], root=str(TREES[name](root))))


def positive(made: TabularDataset, n: int) -> list[str]:
    return [name for name, value in zip(made.classes, made.stated[n]) if value == 1]


@pytest.mark.parametrize("name", TREES)
def test_every_image_of_the_layout_is_found(name, tmp_path):
    made = read(name, tmp_path)
    assert made.name == name
    assert all(Path(image).is_file() for image in made.images)
    assert made.stated.shape == (len(made), len(made.classes))


@pytest.mark.parametrize(("sex", "kaggle"), [("Patient Sex", False), ("Patient Gender", True)])
def test_chestxray14(sex, kaggle, tmp_path):
    root = spec_trees.chestxray14(tmp_path, sex, kaggle)
    made = read_dataset(replace(ready_made()["chestxray14"], root=str(root)))
    assert [positive(made, n) for n in range(4)] == [["Cardiomegaly"], ["Cardiomegaly", "Emphysema"], [], ["Hernia"]]
    assert not np.isnan(made.stated).any()
    assert made.splits.tolist() == [TRAINING, TRAINING, TEST, TRAINING]
    assert made.patients.tolist() == [0, 0, 1, 2]
    assert made.images[3] == str(root / ("images_012/images" if kaggle else "images") / "00000003_000.png")
    assert all(Path(image).is_file() for image in made.images)
    ages = made.attributes["age"]
    assert [ages.values[code] for code in ages.codes] == ["57", "58", "80", "81"]
    assert made.attributes["sex"].values == ["M", "F"]


def test_chestxray14_without_its_images_is_read_all_the_same(tmp_path):
    """A check then tells which files are missing."""
    root = spec_trees.chestxray14(tmp_path)
    shutil.rmtree(root / "images")
    assert len(read_dataset(replace(ready_made()["chestxray14"], root=str(root)))) == 4


def test_chexpert_keeps_frontal_images_and_the_three_kinds_of_labels(tmp_path):
    made = read("chexpert", tmp_path)
    assert [Path(image).name for image in made.images] == ["view1_frontal.jpg"] * 3
    assert made.patient_names == ["patient00001", "patient00002", "patient64541"]
    assert made.splits.tolist() == [TRAINING, TRAINING, TEST]
    one = dict(zip(made.classes, made.stated[1]))
    assert one["Cardiomegaly"] == -1 and one["Lung Opacity"] == 1 and np.isnan(one["No Finding"])
    assert (made.uncertain, made.missing) == ("smooth-ones", "zeros")


@pytest.mark.parametrize("packed", [False, True])
def test_mimic_cxr_joins_three_tables(packed, tmp_path):
    root = TREES["mimic-cxr"](tmp_path)
    for table in root.glob("*.csv") if packed else ():
        table.with_name(table.name + ".gz").write_bytes(gzip.compress(table.read_bytes()))
        table.unlink()
    made = read_dataset(replace(ready_made()["mimic-cxr"], root=str(root)))
    assert len(made) == 3  # the lateral image is left out
    assert made.splits.tolist() == [TRAINING, VALIDATION, TEST]
    assert (positive(made, 0), positive(made, 1)) == (["No Finding"], ["Consolidation"])
    assert np.isnan(made.stated[2]).all()  # a study without labels


def test_rsna_pneumonia_names_a_class_for_each_image(tmp_path):
    made = read("rsna-pneumonia", tmp_path)
    assert [positive(made, n) for n in range(3)] == [["No Lung Opacity/Not Normal"], ["Lung Opacity"], ["Normal"]]


def test_vindr_cxr_asks_the_majority_of_its_readers(tmp_path):
    made = read("vindr-cxr", tmp_path)
    assert [Path(image).stem for image in made.images] == ["aa", "bb", "cc"]
    assert [positive(made, n) for n in range(3)] == [["Pneumonia"], ["Other diseases"], ["Other diseases"]]
    assert made.splits.tolist() == [TRAINING, TRAINING, TEST]


def test_shenzhen_reads_file_names(tmp_path):
    made = read("shenzhen", tmp_path)
    assert made.stated.tolist() == [[0.0], [1.0]]
    assert made.patient_names == ["0001", "0327"]


def test_heads_are_those_of_the_official_files():
    sizes = {name: len(one.classes) for name, one in ready_made().items()}
    assert sizes == {
        "chestxray14": 14, "chexpert": 14, "mimic-cxr": 14, "rsna-pneumonia": 3, "vindr-cxr": 6, "shenzhen": 1,
    }  # fmt: skip
    assert ready_made()["chexpert"].classes == ready_made()["mimic-cxr"].classes


@pytest.mark.parametrize("name", TREES)
def test_a_dataset_spec_survives_json_and_yaml(name, tmp_path):
    one = replace(ready_made()[name], root=str(tmp_path))
    assert DatasetSpec.from_dict(json.loads(json.dumps(one.as_dict()))) == one
    file = tmp_path / "one.yaml"
    file.write_text(to_yaml(one), encoding="utf-8")
    again = read_dataset_spec(file)
    assert (again.rules, again.table_refs, again.split_rule, again.root) == (
        one.rules, one.table_refs, one.split_rule, str(tmp_path.resolve()),
    )  # fmt: skip


def test_a_ready_made_file_keeps_its_comments_and_gets_the_root(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(ready_made_text("shenzhen", tmp_path / "a: b"), encoding="utf-8")
    assert "# Shenzhen" in file.read_text()
    assert read_dataset_spec(file).root == str((tmp_path / "a: b").resolve())
    with refused("dataset-spec-unknown", names="'chexpert'"):
        ready_made_text("chexprt")


def test_the_template_is_a_dataset_spec_and_explains_every_key(tmp_path):
    file = tmp_path / "template.yaml"
    file.write_text(template(), encoding="utf-8")
    made = read_dataset_spec(file)
    assert made.root == str(tmp_path.resolve())
    lines = {found[1] for line in template().splitlines() if (found := re.match(r"(?:# )?(\w+):(?: |$)", line))}
    assert lines == set(made.as_dict())


def test_the_template_reads_a_table_with_its_label_columns_alone(tmp_path):
    """Lines that name columns which not every table has (split, sex, view) begin as comments."""
    (tmp_path / "mine.yaml").write_text(template(), encoding="utf-8")
    rows = ["image,patient,nodule,findings,effusion", "a.png,1,1,mass;fibrosis,yes", "b.png,2,0,fibrosis,no"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    warnings: list[dict[str, str]] = []
    made = read_dataset(read_dataset_spec(tmp_path / "mine.yaml"), lambda share, text: None, warnings)
    assert made.stated.tolist() == [[1, 1, 1], [0, 0, 0]] and not warnings


def test_a_file_that_is_no_yaml_says_where(tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("name: a\nlabels: {b\n")
    with refused("not-yaml", names="line 2"):
        read_dataset_spec(file)
    file.write_text("[" * 3000)
    with refused("not-yaml", names="16 levels"):
        read_dataset_spec(file)
    file.write_text("a: &a [x]\nb: *a\n")
    with refused("not-yaml", names="aliases"):
        read_dataset_spec(file)
    file.write_text("name: a\nname: b\n")
    with refused("not-yaml", names="'name'"):
        read_dataset_spec(file)
