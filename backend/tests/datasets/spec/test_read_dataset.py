"""Sets read from their tables: what is stated, whose it is, and the first line that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused
from spec_trees import write

from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.table_stream import CHUNK
from medssl.datasets.spec.tabular_dataset import OPEN, TEST, TRAINING, VALIDATION, TabularDataset

PLAIN = {"name": "mine", "tables": ["x.csv"], "kind": "multi-label", "labels": ["A", "B"]}


def read(root: Path, text: str, **change) -> TabularDataset:
    write(root, {"x.csv": text})
    return read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(root), **change}))


def same(found, expected) -> bool:
    return np.array_equal(np.asarray(found), np.asarray(expected, np.float32), equal_nan=True)


def test_a_plain_catalogue(tmp_path):
    text = "image,patient,A,B,split,sex\na.png,1,1,0,train,F\nb.png,1,-1,,train,F\nc.png,2,0.0,1.0,val,\nd.png,3,0,nan,test,M\n"
    made = read(tmp_path, text, attributes=["sex"])
    assert same(made.stated, [[1, 0], [-1, np.nan], [0, 1], [0, np.nan]])
    assert made.splits.tolist() == [TRAINING, TRAINING, VALIDATION, TEST]
    assert made.patients.tolist() == [0, 0, 1, 2] and made.patient_names == ["1", "2", "3"]
    assert made.images[0] == str(tmp_path / "a.png")
    assert [made.attributes["sex"].values[code] for code in made.attributes["sex"].codes] == ["F", "F", "", "M"]


def test_images_may_lie_beside_the_table(tmp_path):
    write(tmp_path, {"images/a.png": ""})
    assert read(tmp_path, "image,patient,A,B\na.png,1,1,0\n").images == [str(tmp_path / "images/a.png")]


def test_every_row_of_many_chunks_is_read_once(tmp_path):
    count = 2 * CHUNK + 5
    rows = "".join(f"{n}.png,{n // 2},{n % 2},{n % 3 - 1}\n" for n in range(count))
    made = read(tmp_path, "image,patient,A,B\n" + rows)
    assert len(made) == len(set(made.images)) == count
    assert same(made.stated, [[n % 2, n % 3 - 1] for n in range(count)])
    assert made.patients.tolist() == [n // 2 for n in range(count)]
    assert (made.splits == OPEN).all()


WORDS = "image,patient,F\na.png,1,mass; cyst\nb.png,2,\nc.png,3,cyst\n"


def test_words_in_one_field(tmp_path):
    rule = {"column": "F", "separator": ";", "values": {"Mass": "mass", "Cyst": ["cyst", "cysts"]}}
    assert same(read(tmp_path, WORDS, labels=rule).stated, [[1, 1], [np.nan, np.nan], [0, 1]])


def test_each_class_by_a_rule_of_its_own(tmp_path):
    rules = {
        "Mass": {"column": "F", "contains": "mass", "separator": ";"},
        "Only cyst": {"column": "F", "equals": "cyst"},
        "Any": {"column": "F", "pattern": "."},
        "Is b": {"pattern": "b\\.png$"},
    }
    expected = [[1, 0, 1, 0], [np.nan, np.nan, np.nan, 1], [0, 1, 1, 0]]
    assert same(read(tmp_path, WORDS, labels=rules).stated, expected)


def test_one_class_of_several(tmp_path):
    text = "image,patient,K\na.png,1,ill\nb.png,2,well\nc.png,3,\nd.png,4,bad image\n"
    labels = {"column": "K", "values": {"Well": "well", "Ill": "ill"}, "others": "bad image"}
    made = read(tmp_path, text, kind="multi-class", labels=labels)
    assert same(made.stated, [[0, 1], [1, 0], [np.nan] * 2, [np.nan] * 2])


READERS = "image,patient,A,B\n" + "".join(f"a.png,1,{a},{b}\n" for a, b in ((1, 0), (1, -1), (0, 1), ("", "")))


@pytest.mark.parametrize(
    ("how", "expected"), [("first", [1, 0]), ("majority", [1, -1]), ("any", [1, 1])], ids=["first", "majority", "any"]
)
def test_rows_of_several_readers(tmp_path, how, expected):
    made = read(tmp_path, READERS + "b.png,2,0,-1\n", repeated=how)
    assert same(made.stated, [expected, [0, -1]])
    assert len(made.patients) == 2


def test_doubt_is_a_vote_like_yes_and_no(tmp_path):
    votes = {"a": "1 -1 -1", "b": "1 0 -1", "c": "0 -1 -1", "d": "1 1 -1", "e": "0 0 -1", "f": "1 1 -1 -1"}
    rows = "".join(f"{name}.png,{name},{vote}\n" for name, line in votes.items() for vote in line.split())
    made = read(tmp_path, "image,patient,A\n" + rows, labels=["A"], repeated="majority")
    assert made.stated[:, 0].tolist() == [-1, -1, -1, 1, 0, -1]


def test_readers_in_different_chunks_are_united(tmp_path):
    between = "".join(f"{n}.png,{n},0,0\n" for n in range(2, CHUNK + 2))
    made = read(tmp_path, f"image,patient,A,B\na.png,1,1,0\n{between}a.png,1,1,1\n", repeated="majority")
    assert len(made) == CHUNK + 1
    assert same(made.stated[0], [1, -1])


def test_readers_in_different_chunks_agree_on_the_patient(tmp_path):
    between = "".join(f"{n}.png,{n},0,0\n" for n in range(2, CHUNK + 2))
    with refused("image-of-two-patients", names=[f"line {CHUNK + 3}", "x.csv, line 2"]):
        read(tmp_path, f"image,patient,A,B\na.png,1,1,0\n{between}a.png,5,1,1\n", repeated="majority")


def test_readers_of_a_class_who_disagree_leave_it_unknown(tmp_path):
    text = "image,patient,K\na.png,1,ill\na.png,1,well\nb.png,2,ill\nb.png,2,ill\nb.png,2,well\n"
    labels = {"column": "K", "values": ["well", "ill"]}
    made = read(tmp_path, text, kind="multi-class", labels=labels, repeated="majority")
    assert same(made.stated, [[np.nan] * 2, [0, 1]])


def test_splits_by_words_of_ones_own_and_by_table(tmp_path):
    split = {"column": "fold", "training": ["1", "2"], "validation": "3"}
    made = read(tmp_path, "image,patient,fold,A,B\na.png,1,1,1,0\nb.png,2,2,1,0\nc.png,3,3,1,0\n", split=split)
    assert made.splits.tolist() == [TRAINING, TRAINING, VALIDATION]
    write(tmp_path, {"y.csv": "image,patient,A,B\nd.png,4,1,1\n"})
    tables = [{"file": "x.csv", "split": "training"}, {"file": "y.csv", "split": "test"}]
    assert read(tmp_path, "image,patient,A,B\na.png,1,1,0\n", tables=tables).splits.tolist() == [TRAINING, TEST]


def test_lists_of_images_with_and_without_folders(tmp_path):
    write(tmp_path, {"train.txt": "a.png\n\n", "test.txt": "sub/b.png\n"})
    made = read(
        tmp_path, "image,patient,A,B\nsub/a.png,1,1,0\nsub/b.png,2,1,0\nsub/c.png,3,1,0\n",
        split={"training": "train.txt", "test": "test.txt"},
    )  # fmt: skip
    assert made.splits.tolist() == [TRAINING, TEST, OPEN]


def test_only_and_exclude_by_column_and_attribute(tmp_path):
    text = "image,patient,view,A,B\np1_a.png,1,PA,1,0\np2_b.png,2,LL,oops,0\np3_c.png,3,PA,1,0\n"
    made = read(tmp_path, text, only={"view": "PA"}, exclude={"who": ["3"]}, attributes={"who": {"pattern": "p(\\d)"}})
    assert [Path(image).name for image in made.images] == ["p1_a.png"]  # what is left out is not read for its labels
    with refused("no-images-left", names=["only.view = PAA", "'PA'", "3 rows", "PA, LL"]):
        read(tmp_path, text, only={"view": "PAA"})
    with refused("no-images", names=["tables", "3 rows"]):
        read(tmp_path, text, only={"view": "LL"}, exclude={"image": ["p2_b.png"]})


def test_a_joined_table_adds_columns(tmp_path):
    write(tmp_path, {"more.csv": "study,arm,A,B\n7,l,1,0\n7,r,0,1\n"})
    tables = ["x.csv", {"file": "more.csv", "key": ["study", "arm"]}]
    made = read(tmp_path, "image,patient,study,arm\na.png,1,7,r\nb.png,2,8,r\n", tables=tables)
    assert same(made.stated, [[0, 1], [np.nan, np.nan]])
    with refused("join-without-match", names=["x.csv, line 2: study, arm = '07, r'", "more.csv"]):
        read(tmp_path, "image,patient,study,arm\na.png,1,07,r\nb.png,2,08,r\n", tables=tables, missing="zeros")
    write(tmp_path, {"more.csv": "study,arm,A,B\n7,l,1,0\n7,l,0,1\n"})
    with refused("join-key-repeated", names="more.csv, line 3: 7, l"):
        read(tmp_path, "image,patient,study,arm\na.png,1,7,r\n", tables=tables)


def test_tables_share_what_is_joined(tmp_path):
    """One of two tables may lack all its rows there: what is said counts both."""
    write(tmp_path, {"more.csv": "study,A,B\n7,1,0\n", "y.csv": "image,patient,study\nb.png,2,8\n"})
    tables, odd = ["x.csv", "y.csv", {"file": "more.csv", "key": ["study"]}], []
    write(tmp_path, {"x.csv": "image,patient,study\na.png,1,7\n"})
    made = read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(tmp_path), "tables": tables}), None, odd)
    assert len(made) == 2
    assert [one["value"] for one in odd] == ["1 of 2 rows"] and "y.csv, line 2: study = '8'" in odd[0]["rule"]


def test_a_table_has_one_of_several_names(tmp_path):
    tables = [{"file": ["new.csv", "x.csv"]}]
    assert len(read(tmp_path, "image,patient,A,B\na.png,1,1,0\n", tables=tables)) == 1
    write(tmp_path, {"new.csv": "image,patient,A,B\na.png,1,1,0\nb.png,1,1,0\n"})
    assert len(read(tmp_path, "image,patient,A,B\na.png,1,1,0\n", tables=tables)) == 2
    with refused("file-not-found", names="a.csv or b.csv"):
        read(tmp_path, "", tables=[{"file": ["a.csv", "b.csv"]}])


def test_other_delimiters_and_a_byte_order_mark(tmp_path):
    made = read(tmp_path, "\ufeffimage;patient;A;B\na.png;1;1;0\n", tables=[{"file": "x.csv", "delimiter": ";"}])
    assert same(made.stated, [[1, 0]])


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_tables_in_other_encodings(tmp_path, encoding):
    text = "image,patient,A,B,site\n" + "".join(f"{n}.png,{n},1,0,Köln\n" for n in range(5000))
    write(tmp_path, {"x.csv": ""})
    (tmp_path / "x.csv").write_bytes(text.encode(encoding))
    made = read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(tmp_path), "attributes": ["site"]}))
    assert len(made) == 5000 and set(made.attributes["site"].values) - {""} == {"Köln"}


HEAD = "image,patient,A,B\n"


@pytest.mark.parametrize(
    ("text", "change", "code", "names"),
    [
        (HEAD + "a.png,1,1,0\nb.png,2,2,0\n", {}, "label-unknown", ["x.csv, line 3: A = '2'", "1, 0, -1"]),
        (HEAD + "a.png,1,1,yes\n", {}, "label-unknown", "x.csv, line 2: B = 'yes'"),
        ("image,patient,A,C\na.png,1,1,0\n", {}, "column-missing", ["x.csv", "'B'", "image, patient, A, C"]),
        ("image,patients,A,B\na.png,1,1,0\n", {}, "column-missing", ["'patient'", "'patients'"]),
        (HEAD + "a.png,,1,0\n", {}, "patient-missing", "line 2: a.png"),
        (HEAD + ",1,1,0\n", {}, "image-path-missing", ["line 2", "'image'"]),
        (HEAD + "a.png,1,1\n", {}, "wrong-number-of-fields", ["line 2", "3 fields", "4"]),
        (HEAD + "a.png,1,1,0\na.png,1,1,0\n", {}, "image-repeated", ["line 3: a.png", "x.csv, line 2"]),
        (HEAD + "a.png,1,1,0\na.png,2,1,0\n", {"repeated": "any"}, "image-of-two-patients", ["line 3", "x.csv, line 2"]),
        (HEAD, {}, "no-images", "tables"),
        ("image,patient,A,B,A\na.png,1,1,0,0\n", {}, "column-repeated", "x.csv, line 1: 'A'"),
        (HEAD + "./a.png,1,1,0\na.png,1,1,0\n", {}, "image-repeated", ["line 3: a.png", "x.csv, line 2"]),
        (HEAD + "a.png,1,1,0\n../../b.png,1,1,0\n", {}, "path-leaves-root", "line 3: '../../b.png'"),
        (HEAD + "a.png,1,1,0\nsub/../..,1,1,0\n", {}, "path-leaves-root", "line 3: 'sub/../..'"),
        (HEAD + "x//etc/hostname,1,1,0\n", {"images": "{image:/1}"}, "path-leaves-root", "line 2: '/etc/hostname'"),
        (HEAD + "../../b.png,1,1,0\n", {"images": "images/{image}"}, "path-leaves-root", "'images/../../b.png'"),
        ("", {}, "column-missing", "'patient'"),
        (HEAD + "a.png,1,1,0\n", {"tables": ["y.csv"]}, "file-not-found", "y.csv"),
        (HEAD + "a.png,1,1,0\n", {"images": "images_*/{image}"}, "pattern-without-match", "images_*"),
        (HEAD + "a.png,1,1,0\n", {"split": {"training": "list.txt"}}, "file-not-found", ["split.training", "list.txt"]),
        ("image,patient,A,B,split\na.png,1,1,0,trian\n", {}, "split-unknown", ["line 2: split 'trian'", "'train'"]),
        (WORDS, {"labels": {"column": "F", "separator": ";", "values": ["mass", "cysts"]}}, "label-unknown", ["F = 'cyst'", "'cysts'", "'mass'"]),
        (HEAD + "a.png,1,1,1\n", {"kind": "multi-class"}, "not-one-class-per-image", "line 2: A and B"),
    ],
)  # fmt: skip
def test_the_first_offending_line_is_named(tmp_path, text, change, code, names):
    with refused(code, names) as caught:
        read(tmp_path, text, **change)
    assert caught.value.value.startswith("set mine: ") and caught.value.remedy


def test_a_patient_in_two_splits(tmp_path):
    text = "image,patient,A,B,split\na.png,1,1,0,train\nb.png,2,1,0,train\nc.png,2,1,0,train\nd.png,2,1,0,test\n"
    with refused("patient-in-two-splits", names=["x.csv, line 5: patient 2", "x.csv, line 3"]):
        read(tmp_path, text)


def test_an_image_in_two_lists(tmp_path):
    write(tmp_path, {"train.txt": "a.png\n", "test.txt": "a.png\n"})
    with refused("image-in-two-splits", names="test.txt: a.png"):
        read(tmp_path, HEAD + "a.png,1,1,0\n", split={"training": "train.txt", "test": "test.txt"})


def test_a_root_that_is_no_folder(tmp_path):
    with refused("root-not-a-folder", names="nowhere"):
        read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(tmp_path / "nowhere")}))


def test_progress_reaches_the_end_of_the_table(tmp_path):
    write(tmp_path, {"x.csv": HEAD + "".join(f"{n}.png,{n},0,1\n" for n in range(CHUNK + 1))})
    told: list[float] = []
    read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(tmp_path)}), lambda share, text: told.append(share))
    assert told == sorted(told) and told[-1] > 0.5


def test_lists_that_name_no_image_are_refused(tmp_path):
    write(tmp_path, {"train.txt": "a\n", "test.txt": "b\n"})
    with refused("split-lists-unmatched", names=["'a'", "'a.png'"]):
        read(
            tmp_path, "image,patient,A,B\na.png,1,1,0\nb.png,2,1,0\n",
            split={"training": "train.txt", "test": "test.txt"},
        )  # fmt: skip
