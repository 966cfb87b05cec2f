"""What the checker tells of sets that are wrong, and the contact sheet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from spec_trees import write

from medssl.datasets.spec.check import LOOKED_INTO, check_datasets
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.reports.figures.contact_sheet import contact_sheet, images_shown, labels_text


def picture(path: Path, seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(96, 80)), 4)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(127 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def root(tmp_path) -> Path:
    for n in range(6):
        picture(tmp_path / f"{n}.png", n)
    rows = ["0,a,1,-1,train", "1,a,0,,train", "2,b,1,0,train", "3,c,0,1,val", "4,d,1,0,test", "5,e,1,0,test"]
    return write(tmp_path, {"x.csv": "image,patient,A,B,split\n" + "\n".join(rows) + "\n"})


def spec_of(root: Path, **change) -> DatasetSpec:
    plain = {"name": "mine", "root": str(root), "tables": ["x.csv"], "kind": "multi-label", "labels": ["A", "B"]}
    return DatasetSpec.from_dict({**plain, "images": "{image}.png", **change})


def reports_of(dataset_specs: list[DatasetSpec], *args, **options) -> list[dict]:
    return [one.report for one in check_datasets(dataset_specs, *args, **options)]


def said(report: dict, what: str) -> list[str]:
    return [f"{one['value']}: {one['rule']}" for one in report[what]]


def test_counts_of_a_sound_set(root):
    (report,) = reports_of([spec_of(root, attributes=["patient"])], contents=True)
    assert report["errors"] == []
    assert (report["images"], report["patients"], report["missing"], report["duplicates"]) == (6, 5, 0, 0)
    assert report["splits"] == {"training": 3, "validation": 1, "test": 2}
    assert {"class": "B", "split": "training", "positive": 0, "negative": 1, "uncertain": 1, "missing": 1} in report[
        "classes"
    ]
    assert report["attributes"]["patient"] == {"a": 2, "b": 1, "c": 1, "d": 1, "e": 1}
    assert report["looked_into"] == 6 and report["unreadable"] == []
    warnings = " ".join(said(report, "warnings"))
    assert "training: B: is never positive" in warnings and "3 training images: are very few" in warnings


def test_an_age_that_is_not_a_number_is_unknown(root):
    ages = ["61", "nan", "", "NaN", "61", "7"]
    write(root, {"ages.csv": "image,age\n" + "".join(f"{n},{age}\n" for n, age in enumerate(ages))})
    tables = ["x.csv", {"file": "ages.csv", "key": "image"}]
    (report,) = reports_of([spec_of(root, tables=tables, attributes=["age"])], files=False)
    assert report["attributes"]["age"] == {"": 3, "61": 2, "7": 1}


def test_the_first_missing_files_are_named(root):
    for n in range(5):
        (root / f"{n}.png").unlink()
    (report,) = reports_of([spec_of(root)])
    first = ", ".join(str(root / f"{n}.png") for n in range(3))
    assert said(report, "errors")[0] == f"set mine: 5 files: of 6 cannot be found: {first}, ..."


def test_what_breaks_reading_is_an_error_of_that_set_alone(root):
    wrong, sound = reports_of([spec_of(root, labels=["A", "C"]), spec_of(root, name="other")], files=False)
    assert "has no column 'C'" in said(wrong, "errors")[0] and wrong["images"] == 0
    assert sound["errors"] == [] and sound["images"] == 6


def test_rows_that_a_joined_table_lacks_and_values_that_no_row_has_are_told(root):
    write(root, {"more.csv": "patient,sex\na,F\nb,M\nc,F\n"})
    more = ["x.csv", {"file": "more.csv", "key": "patient"}]
    asked = spec_of(
        root, tables=more, attributes=["sex"], only={"split": ["train", "val", "test", "tset"]}, exclude={"sex": ["X"]}
    )
    (report,) = reports_of([asked], files=False)
    warnings = said(report, "warnings")
    assert report["errors"] == [] and report["images"] == 6
    assert (
        "set mine: 2 of 6 rows: are not in more.csv, their fields are empty; the first: x.csv, line 6: patient = 'd'"
        in warnings
    )
    assert "set mine: only.split = tset: is a value that no row has (did you mean 'test'?)" in warnings
    assert "set mine: exclude.sex = X: is a value that no row has" in warnings
    (report,) = reports_of([spec_of(root, tables=more, attributes=["sex"], only={"sex": ["F"]})], files=False)
    assert not any("no row has" in one for one in said(report, "warnings"))


def test_two_sets_of_one_name(root):
    _, second = reports_of([spec_of(root), spec_of(root)], files=False)
    assert "set mine: is the name of two datasets" in said(second, "errors")[0]


def test_missing_empty_and_unreadable_files(root):
    (root / "0.png").unlink()
    (root / "1.png").write_bytes(b"")
    (root / "2.png").write_bytes(b"no picture")
    (report,) = reports_of([spec_of(root)])
    assert report["missing"] == 1 and report["missing_files"] == [str(root / "0.png")]
    assert len(report["unreadable"]) == 1 and "2.png" in report["unreadable"][0]["value"]
    errors = " ".join(said(report, "errors"))
    assert "1 file:" in errors and "is empty" in errors and "cannot be used" in errors


def test_every_image_is_read_on_request(root):
    """A file cut short is seldom among the few that are read otherwise."""
    for n in range(6, 40):
        picture(root / f"{n}.png", n)
    rows = [f"{n},p{n},{n % 2},0,{'val' if n > 30 else 'train'}" for n in range(40)]
    write(root, {"x.csv": "image,patient,A,B,split\n" + "\n".join(rows) + "\n"})
    few = np.random.default_rng(0).permutation(40)[:LOOKED_INTO]
    cut = next(n for n in range(40) if n not in few)
    whole = (root / f"{cut}.png").read_bytes()
    (root / f"{cut}.png").write_bytes(whole[: len(whole) // 2])
    (report,) = reports_of([spec_of(root)])
    assert report["looked_into"] == LOOKED_INTO and report["unreadable"] == []
    told: list[str] = []
    (report,) = reports_of([spec_of(root)], progress=lambda share, text: told.append(text), read_all=True)
    assert report["looked_into"] == 40
    assert [Path(one["value"]).name for one in report["unreadable"]] == [f"{cut}.png"]
    assert "set mine: 1 image: of 40 that were read cannot be used" in said(report, "errors")[0]
    assert "reading images of mine: 0 of 40" in told


def test_files_of_equal_content_leak_between_splits(root):
    shutil.copy(root / "4.png", root / "0.png")  # test and training
    shutil.copy(root / "2.png", root / "1.png")  # both in training
    (without,) = reports_of([spec_of(root)])
    (report,) = reports_of([spec_of(root)], contents=True)
    assert without["duplicates"] == 0 and report["duplicates"] == 2
    assert [str(root / "0.png"), str(root / "4.png")] in report["duplicate_files"]
    assert "one in test and one in training" in said(report, "errors")[0]


def test_one_file_in_two_sets(root):
    write(root, {"y.csv": "image,patient,A,B,split\n0,z,1,0,train\n4,y,1,0,train\n2,x,1,0,val\n"})
    first, second = reports_of([spec_of(root), spec_of(root, name="other", tables=["y.csv"])], files=False)
    assert first["duplicates"] == 0 and second["duplicates"] == 3
    (error,) = said(second, "errors")
    assert (
        error.startswith("set other: 2 images: have the file of another one")
        and "one in training and one in test" in error
    )


def test_a_split_that_is_half_stated(root):
    write(root, {"x.csv": "image,patient,A,B,split\n0,a,1,0,train\n1,b,1,0,\n"})
    (report,) = reports_of([spec_of(root)], files=False)
    assert "has no split while others do" in said(report, "errors")[0]
    assert report["splits"] == {"all": 2}


def test_the_contact_sheet_shows_so_many_tiles(root):
    made = read_dataset(spec_of(root))
    (root / "3.png").write_bytes(b"no picture")
    page = np.asarray(Image.open(contact_sheet(made, root / "new folder" / "sheet.png", count=5)).convert("L"))
    again = np.asarray(Image.open(contact_sheet(made, root / "again.png", count=5)).convert("L"))
    other = np.asarray(Image.open(contact_sheet(made, root / "other.png", count=5, seed=1)).convert("L"))
    assert np.array_equal(page, again) and not np.array_equal(page, other)
    dark = (page < 250).any(axis=0)  # columns of pixels with a picture
    assert np.count_nonzero(np.diff(dark.astype(int)) == 1) >= 5


def test_labels_in_words(root):
    made = read_dataset(spec_of(root))
    assert [labels_text(made, n) for n in (0, 1, 2)] == ["A, B ?", "none of the classes", "A"]


@pytest.mark.parametrize("seed", range(5))
def test_the_contact_sheet_shows_an_example_of_every_class(seed):
    stated = np.zeros((5000, 4), np.float32)
    stated[:2500, 0], stated[4321, 1], stated[[17, 4321], 2], stated[99, 3] = 1, 1, 1, -1
    shown = images_shown(stated, 24, seed)
    assert len(set(shown.tolist())) == 24 and (np.diff(shown) > 0).all()
    assert 4321 in shown and 99 in shown and 0 < (stated[shown, 0] == 1).sum() < 24  # the last is only uncertain
    assert len(images_shown(np.eye(30, dtype=np.float32), 24, seed)) == 30  # more classes than tiles
    assert len(images_shown(np.full((3, 2), np.nan, np.float32), 24, seed)) == 3
