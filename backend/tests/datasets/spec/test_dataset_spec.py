"""What the keys of a dataset spec mean, and how one is refused: nothing is opened here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from refusals import refused

from medssl.core.errors import CatalogError
from medssl.datasets.spec.rules import template_fields
from medssl.datasets.spec.spec import DatasetSpec, check_names, key_of
from medssl.datasets.spec.spec_files import read_dataset_spec

PLAIN = {"name": "mine", "root": "/data", "tables": ["x.csv"], "kind": "multi-label", "labels": ["A", "B"]}
FILES = {
    "name": "mine",
    "kind": "binary",
    "images": "*.png",
    "patient": {"pattern": "p(\\d+)"},
    "labels": {"TB": {"pattern": "_1"}},
}


def test_a_plain_catalogue_needs_five_keys():
    made = DatasetSpec.from_dict(PLAIN)
    assert made.classes == ("A", "B") and made.templates == ("{image}",)
    assert made.patient_place.columns == ("patient",)
    assert made.split_rule and made.split_rule.place and made.split_rule.place.columns == ("split",)


def test_it_survives_its_own_dict():
    made = DatasetSpec.from_dict({**PLAIN, "attributes": {"sex": ["Sex", "Gender"]}, "only": {"View": ["PA"]}})
    assert DatasetSpec.from_dict(made.as_dict()) == made


@pytest.mark.parametrize(
    ("change", "key", "code", "names"),
    [
        ({"lables": 1}, "", "key-unknown", "'labels'"),
        ({"kind": "multilabel"}, "kind", "key-not-a-choice", "multi-label, multi-class, binary"),
        ({"kind": "binary"}, "labels", "wrong-number-of-labels", "2 classes"),
        ({"kind": "multi-class", "labels": ["A"]}, "labels", "wrong-number-of-labels", "1 class"),
        ({"kind": "multi-class", "repeated": "any"}, "repeated", "not-one-class-per-image", "'any'"),
        ({"uncertain": "maybe"}, "uncertain", "key-not-a-choice", "smooth-ones"),
        ({"name": "two words"}, "name", "not-a-dataset-name", "'two words'"),
        ({"labels": []}, "labels", "key-missing", "labels"),
        ({"labels": ["A", "A"]}, "labels", "label-repeated", "labels.A"),
        ({"labels": {"A": {"colunm": "x"}}}, "labels", "key-unknown", "'column'"),
        ({"labels": {"A": {"pattern": "("}}}, "labels", "pattern-malformed", "labels.A.pattern"),
        (
            {"labels": {"A": {"column": "x", "equals": "a", "contains": "b"}}},
            "labels",
            "equals-and-contains",
            "labels.A",
        ),
        ({"labels": {"values": ["A"]}}, "labels", "values-without-column", "labels"),
        ({"tables": "x.csv"}, "tables", "key-type", "'x.csv'"),
        ({"tables": [{"file": "x.csv", "key": ["id"]}]}, "tables", "key-on-first-table", "tables[0].key"),
        ({"tables": [{"file": "x.csv", "split": "train"}]}, "tables", "split-unknown", "'training'"),
        ({"images": "images/*.png"}, "images", "template-without-column", "'images/*.png'"),
        ({"images": "images/{image"}, "images", "template-malformed", "'images/{image'"),
        ({"images": "{image:>3}"}, "images", "template-malformed", "'>3'"),
        ({"images": "{patient}/*/{image}"}, "images", "folders-after-column", "'{patient}/*/{image}'"),
        ({"split": {"train": "a.txt"}}, "split", "key-unknown", "'training'"),
        (
            {"split": {"column": "fold", "training": ["1", "2"], "test": "2"}},
            "split",
            "split-value-repeated",
            "split.training",
        ),
        ({"images": "../images/{image}"}, "images", "path-leaves-root", "'../images/{image}'"),
        ({"images": ["images/{image}", "/data/{image}"]}, "images", "path-leaves-root", "'/data/{image}'"),
        ({"images": ["images/{image}", "images/*.png"]}, "images", "template-without-column", "'images/*.png'"),
        ({"only": ["PA"]}, "only", "key-type", "['PA']"),
        ({"inverted": "perhaps"}, "inverted", "key-type", "'perhaps'"),
        ({"title": ["a"]}, "title", "key-type", "['a']"),
        ({"attributes": {"sex": {"patern": "x"}}}, "attributes", "key-unknown", "'pattern'"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_a_remedy(change, key, code, names):
    with refused(code, names) as caught:
        DatasetSpec.from_dict({**PLAIN, **change})
    assert caught.value.value.startswith("set ") and caught.value.remedy
    assert key_of(caught.value) == key


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"patient": "patient"}, "patient"),
        ({"labels": {"TB": "TB"}}, "labels"),
        ({"images": "{image}"}, "images"),
        ({"images": ""}, "images"),
        ({"attributes": ["sex"]}, "attributes"),
        ({"only": {"view": "PA"}}, "only"),
        ({"exclude": {"view": "PA"}}, "exclude"),
        ({"split": "fold"}, "split"),
        ({"split": {"column": "fold", "pattern": "(.)", "test": "1"}}, "split"),
    ],
)
def test_without_tables_file_names_must_tell(change, key):
    assert DatasetSpec.from_dict(FILES).split_rule is None
    with pytest.raises(CatalogError) as caught:
        DatasetSpec.from_dict({**FILES, **change})
    assert key_of(caught.value) == key


def test_without_tables_rows_are_kept_by_attributes():
    view = {"view": {"pattern": "(PA|AP)"}}
    made = DatasetSpec.from_dict(
        {**FILES, "attributes": view, "only": {"view": "PA"}, "split": {"pattern": "^(train|test)"}}
    )
    assert made.only == {"view": "PA"}


@pytest.mark.parametrize("key", ["name", "kind", "labels", "tables", "images", "split", "only", "title", "inverted"])
def test_no_value_fills_a_message(key):
    deep: list = []
    for _ in range(500):
        deep = [deep] * 2
    for value in (deep, ["x" * 10**6, {}], {"x" * 10**6: deep}):
        with pytest.raises(CatalogError) as caught:
            DatasetSpec.from_dict({**PLAIN, key: value})
        assert len(str(caught.value)) < 2000


def test_no_mapping_and_missing_keys():
    with refused("not-a-mapping"):
        DatasetSpec.from_dict(["a"])  # type: ignore[arg-type]
    with refused("key-missing", names="name"):
        DatasetSpec.from_dict({"kind": "binary"})


def test_one_column_makes_a_strict_rule_for_each_class():
    labels = {"column": "Class", "values": {"Healthy": "healthy", "Ill": ["viral", "bacterial"]}, "others": ["bad"]}
    healthy, ill = DatasetSpec.from_dict({**PLAIN, "labels": labels, "kind": "multi-class"}).rules
    assert (healthy.words, ill.words, ill.others) == (("healthy",), ("viral", "bacterial"), ("bad",))


def test_names_of_heads_must_differ():
    one = DatasetSpec.from_dict(PLAIN)
    check_names([one, DatasetSpec.from_dict({**PLAIN, "name": "other"})])
    with refused("dataset-name-repeated", names="set mine"):
        check_names([one, one])


def test_templates_fall_into_parts():
    assert template_fields("p{id:.2}/{Frontal/Lateral:/1}.jpg") == [
        ("p", "id", ".2"), ("/", "Frontal/Lateral", "/1"), (".jpg", "", ""),
    ]  # fmt: skip


def test_slicer_can_import_it():
    seen = "import sys, medssl.datasets.spec.spec; print([m for m in ('numpy', 'yaml', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_file_that_is_no_dataset_spec_is_not_quoted(tmp_path):
    secret = "hunter2-s3cr3t"
    texts = (
        f"{secret}: x:0:0", f"password: {secret}\nname: x", secret, f"- {secret}", f"a: [{secret}\nb: c: {secret}", f"&{secret} x",
        f"\t{secret}: 1", f"\xff{secret}",
    )  # fmt: skip
    for text in texts:
        (tmp_path / "a.yaml").write_bytes(text.encode("latin-1"))
        with pytest.raises(CatalogError) as caught:
            read_dataset_spec(tmp_path / "a.yaml")
        assert secret not in str(caught.value)


def test_no_pipe_and_no_device_is_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "large.yaml").write_bytes(b"a" * (2**20 + 1))
    for name in ("pipe.yaml", "zero.yaml", "large.yaml", "gone.yaml"):
        with pytest.raises(CatalogError):
            read_dataset_spec(tmp_path / name)
