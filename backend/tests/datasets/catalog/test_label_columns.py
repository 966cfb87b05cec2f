from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import ConfigError
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.catalog.labels import Labels, LabelSpec, check_classes, read_labels

NAN = float("nan")


@pytest.fixture
def table(tmp_path):
    """A catalogue of a table without image and patient columns: table(columns, row, row ...)."""

    def make(columns: str, *rows: str) -> Catalog:
        lines = [f"image,patient,{columns}"]
        for n, row in enumerate(rows):
            (tmp_path / f"i{n}.png").write_bytes(b"only listed")
            lines.append(f"i{n}.png,p{n},{row}")
        (tmp_path / "t.csv").write_text("\n".join(lines))
        return read_catalog(DataSpec(path=str(tmp_path / "t.csv")), tmp_path)

    return make


def targets(catalog, *columns, **spec) -> list:
    found = read_labels(catalog, LabelSpec(columns, **spec)).targets
    assert found.dtype == np.float32 and found.shape[0] == len(catalog)
    return [[None if v != v else v for v in row] for row in found.tolist()]


def test_one_column_of_zeros_and_ones_is_binary(table):
    labels = read_labels(table("Pneumonia", "1", "0", "1"), LabelSpec(("pneumonia",)))
    assert (labels.kind, labels.names) == ("binary", ("pneumonia",)) and labels.targets.tolist() == [[1], [0], [1]]
    assert labels.counts() == {"pneumonia": 2, "not pneumonia": 1}


def test_codes_of_many_digits_are_classes_of_their_own(table):
    labels = read_labels(table("diagnosis", "74400008", "74400009", "74400008"), LabelSpec(("diagnosis",)))
    assert labels.names == ("74400008", "74400009") and labels.counts() == {"74400008": 2, "74400009": 1}


def test_a_column_turned_round(table):
    catalog = table("No Finding", "1", "0", "-1")
    assert targets(catalog, "!No Finding") == [[0], [1], [None]]
    labels = read_labels(catalog, LabelSpec(("Abnormal=!No Finding",)))
    assert (labels.kind, labels.names) == ("binary", ("Abnormal",))


def test_any_of_several_columns(table):
    catalog = table("A,B,C", "0,0,0", "0,1,0", "-1,0,1", "-1,0,0", ",0,0", ",1,0")
    assert targets(catalog, "Any=A|B|C", "A", uncertain="zeros") == [
        [0, 0], [1, 0], [1, 0], [0, 0], [None, None], [1, None],
    ]  # fmt: skip
    assert targets(catalog, "Any=A|B|C", "A", uncertain="ones")[3] == [1, 1]


def test_several_columns_are_multi_label_and_gaps_are_unknown(table):
    labels = read_labels(table("A,B", "1,", ",0", "0,0"), LabelSpec(("A", "B")))
    assert labels.kind == "multi-label" and np.isnan(labels.targets).tolist() == [[0, 1], [1, 0], [0, 0]]
    assert labels.counts() == {"A": 1, "B": 0, "none of them": 1}


def test_uncertain_labels(table):
    catalog = table("A", "-1", "1", "-1", "0")
    assert targets(catalog, "A") == [[None], [1], [None], [0]]
    assert targets(catalog, "A", uncertain="ones") == [[1], [1], [1], [0]]
    for rule, low, high in (("smooth-ones", 0.55, 0.85), ("smooth-zeros", 0.0, 0.3)):
        drawn = read_labels(catalog, LabelSpec(("A",), uncertain=rule), seed=3).targets
        assert drawn[1] == 1 and drawn[3] == 0
        assert all(low <= v <= high for v in drawn[[0, 2], 0]) and drawn[0] != drawn[2]
        part = Catalog(catalog.entries[2:])
        assert np.array_equal(read_labels(part, LabelSpec(("A",), uncertain=rule), seed=3).targets, drawn[2:])
    assert LabelSpec(("A",), uncertain="smooth-zeros").hard() == LabelSpec(("A",), uncertain="zeros")


def test_a_column_of_texts_or_grades_is_multi_class(table):
    catalog = table("diagnosis,grade", "mass,10", "normal,2", "mass,3")
    named = read_labels(catalog, LabelSpec(("diagnosis",)))
    assert (named.kind, named.names) == ("multi-class", ("mass", "normal"))
    assert named.targets.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert read_labels(catalog, LabelSpec(("grade",))).names == ("2", "3", "10")


def test_values_that_differ_by_case_are_one_class_and_that_is_said(table):
    catalog = table("nodule", "yes", "No", "Yes", "no", "NO")
    labels = read_labels(catalog, LabelSpec(("nodule",)))
    assert labels.names == ("NO", "Yes") and labels.targets.argmax(axis=1).tolist() == [1, 0, 1, 0, 0]
    assert labels.notes == (
        "Values of nodule that differ by upper and lower case alone are one class: NO (also No, no), Yes (also yes)",
    )
    assert read_labels(Catalog(catalog.entries[::-1]), LabelSpec(("nodule",))).names == labels.names
    assert read_labels(Catalog(catalog.entries[1:3]), LabelSpec(("nodule",)), like=labels).targets.tolist() == [
        [1, 0],
        [0, 1],
    ]
    assert read_labels(table("nodule", "yes", "no"), LabelSpec(("nodule",))).notes == ()


@pytest.mark.parametrize("word", ["NA", "n/a", "NaN", "-", "?"])
def test_words_for_unknown_are_no_class(table, word):
    with refused("label-missing", names=["image i1", f"nodule; {word!r} stands for unknown"]):
        read_labels(table("nodule", "yes", word, "no"), LabelSpec(("nodule",)))
    assert read_labels(table("grade", "None", "mild"), LabelSpec(("grade",))).names == ("None", "mild")


def test_a_training_that_goes_on_keeps_the_classes_it_began_with(table):
    then = Labels("multi-class", ("NA", "No", "Yes", "no", "yes"), np.empty((0, 0)))
    now = read_labels(table("nodule", "yes", "NA", "No", "no"), LabelSpec(("nodule",)), like=then)
    assert now.names == then.names and now.targets.argmax(axis=1).tolist() == [4, 0, 1, 3] and not now.notes


def test_columns_that_exclude_each_other(table):
    catalog = table("A,B", "1,0", "0,1")
    assert read_labels(catalog, LabelSpec(("A", "B"), kind="multi-class")).targets.tolist() == [[1, 0], [0, 1]]
    with refused("not-one-class-per-image", names="image i1 of 2 classes"):
        read_labels(table("A,B", "1,0", "1,1"), LabelSpec(("A", "B"), kind="multi-class"))


@pytest.mark.parametrize("uncertain", ["ignore", "zeros", "ones", "smooth-zeros", "smooth-ones"])
def test_the_one_class_of_an_image_settles_the_uncertain_ones(table, uncertain):
    catalog = table("A,B,C", "1,-1,0", "-1,-1,1")
    spec = LabelSpec(("A", "B", "C"), kind="multi-class", uncertain=uncertain)
    assert read_labels(catalog, spec).targets.tolist() == [[1, 0, 0], [0, 0, 1]]
    with refused("not-one-class-per-image", names="image i0 of 0 classes"):
        read_labels(table("A,B,C", "-1,0,0"), spec)


def test_unknown_column_names_those_there_are(table):
    with refused("column-missing", names=["'Pneumo'", "Pneumonia, sex"]):
        read_labels(table("Pneumonia,sex", "1,M"), LabelSpec(("Pneumo",)))


def test_of_columns_that_differ_by_case_the_one_that_is_typed_is_read(table):
    catalog = table("Edema,edema,sex", "1,0,1", "0,0,0")
    assert targets(catalog, "Edema") == [[1], [0]] and targets(catalog, "edema") == [[0], [0]]
    assert read_labels(catalog, LabelSpec(("SEX",))).columns == ("sex",)
    assert read_labels(catalog, LabelSpec(("Any=Edema|!SEX", "edema"))).columns == ("Edema", "sex", "edema")
    with refused("column-ambiguous", names=["'EDEMA'", "Edema or edema"]):
        read_labels(catalog, LabelSpec(("EDEMA",)))


@pytest.mark.parametrize("column", ["A", "diagnosis"])
def test_a_label_missing_for_an_image(table, column):
    with refused("label-missing", names="image i1 and 1 more") as caught:
        read_labels(table("A,diagnosis", "1,x", ",", ","), LabelSpec((column,)))
    assert caught.value.remedy == "Leave the image out or fill the field"


def test_a_value_that_is_no_label(table):
    with refused("label-not-binary", names="A = 2 of image i1"):
        read_labels(table("A,B", "1,0", "2,0"), LabelSpec(("A", "B")))
    with refused("label-not-binary", names="A = maybe of image i1"):
        read_labels(table("A", "1", "maybe"), LabelSpec(("A",), kind="binary"))
    with refused("too-many-classes", names="'age' with 60 values"):
        read_labels(table("age", *map(str, range(60))), LabelSpec(("age",)))


def test_unknown_class_in_another_part(table):
    catalog = table("diagnosis", "mass", "normal", "cyst")
    training = read_labels(Catalog(catalog.entries[:2]), LabelSpec(("diagnosis",)))
    with refused("class-not-in-training", names=["diagnosis = cyst of image i2", "mass, normal"]):
        read_labels(catalog, LabelSpec(("diagnosis",)), like=training)
    known = read_labels(Catalog(catalog.entries[1:2]), LabelSpec(("diagnosis",)), like=training)
    assert known.targets.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [("A", ("1", "1")), ("A", ("0", "-1")), ("diagnosis", ("x", "x")), ("A,B", ("1,0", "1,0", "1,"))],
)
def test_one_class_only(table, columns, rows):
    labels = read_labels(table(columns, *rows), LabelSpec(tuple(columns.split(","))))
    with refused("one-class-only"):
        check_classes(labels)


def test_enough_classes(table):
    for columns, rows in (("A", ("1", "0")), ("d", ("x", "y")), ("A,B", ("1,0", "0,0"))):
        check_classes(read_labels(table(columns, *rows), LabelSpec(tuple(columns.split(",")))))


@pytest.mark.parametrize(
    "spec",
    [{"columns": ()}, {"columns": ("A",), "kind": "ordinal"}, {"columns": ("A",), "uncertain": "half"}],
)
def test_settings_that_break_a_rule(spec):
    with pytest.raises(ConfigError):
        LabelSpec(**spec)


def test_columns_that_do_not_fit(table):
    catalog = table("A,B", "1,0", "0,1")
    with refused("label-columns-not-binary", names="2 label columns"):
        read_labels(catalog, LabelSpec(("A", "B"), kind="binary"))
    for text in ("=A|B", "X=A||B", "!"):
        with refused("labels-without-column"):
            read_labels(catalog, LabelSpec((text,)))


def test_chest_radiographs(shared_data, tmp_path):
    catalog = read_catalog(DataSpec(path=str(shared_data / "cxr-nih" / "labels.csv")), tmp_path)
    labels = read_labels(catalog, LabelSpec(("Abnormal=Pneumonia|Effusion|Mass", "sex")[:1]))
    assert labels.kind == "binary" and sum(labels.counts().values()) == len(catalog) == 755
