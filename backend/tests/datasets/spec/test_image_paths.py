"""Which file a row of a table means."""

from __future__ import annotations

from pathlib import Path

from refusals import refused
from spec_trees import write

from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.tabular_dataset import TEST, TRAINING

PLAIN = {"name": "mine", "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}


def found(root: Path, images: str | list[str], rows: list[str], columns: str = "image", **change) -> list[str]:
    """Paths below the root of the images that rows of the column `image` (and further ones) mean."""
    table = "\n".join(["patient,A," + columns, *(f"p{n},1,{row}" for n, row in enumerate(rows))])
    write(root, {"x.csv": table})
    made = read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(root), "images": images, **change}))
    return [image.removeprefix(f"{root}/") for image in made.images]


def files(root: Path, *names: str) -> None:
    write(root, dict.fromkeys(names, "x"))


def test_numbered_folders_with_folders_in_them(tmp_path):
    files(tmp_path, "a_1/p1/x.png", "a_2/p2/x.png", "a_2/p1/y.png")
    expected = ["a_1/p1/x.png", "a_2/p2/x.png", "a_2/p1/y.png"]
    assert found(tmp_path, "a_*/{sub}/{image}", ["p1,x.png", "p2,x.png", "p1,y.png"], "sub,image") == expected
    assert found(tmp_path, "a_*/{image}", ["p1/x.png", "p2/x.png", "./p1//y.png"]) == expected


def test_numbered_folders_with_text_before_the_column_and_files_beside_them(tmp_path):
    files(tmp_path, "a_1/im_x.png", "a_2/im_y.png", "a_list.csv")
    assert found(tmp_path, "a_*/im_{image}.png", ["y", "x"]) == ["a_2/im_y.png", "a_1/im_x.png"]


def test_an_image_in_two_numbered_folders_is_refused_where_it_is_wanted(tmp_path):
    files(tmp_path, "site1/x.png", "site2/x.png", "site2/y.png", "site1/s/z.png", "site2/s/z.png")
    assert found(tmp_path, "site*/{image}", ["y.png"]) == ["site2/y.png"]
    with refused("image-in-two-folders", names=["x.csv, line 3: x.png", "site1 and site2"]):
        found(tmp_path, "site*/{image}", ["y.png", "x.png"])
    with refused("image-in-two-folders", names="line 2: s/z.png"):
        found(tmp_path, "site*/{image}", ["s/z.png"])


def test_a_file_that_is_nowhere_is_left_to_the_check(tmp_path):
    files(tmp_path, "a_1/x.png")
    assert found(tmp_path, "a_*/{image}", ["y.png", "p/y.png"]) == ["a_1/y.png", "a_1/p/y.png"]


def test_numbered_folders_are_not_left_by_the_way_up(tmp_path):
    files(tmp_path, "a_1/x.png", "y.png")
    with refused("path-leaves-root", names="'../y.png'"):
        found(tmp_path, "a_*/{image}", ["../y.png"])


def test_of_several_templates_the_first_by_which_images_are_found(tmp_path):
    files(tmp_path, "a_1/x.png", "a_2/y.png")
    templates = ["flat/{image}", "a_*/{image}"]
    assert found(tmp_path, templates, ["gone.png", "x.png", "y.png"])[1:] == ["a_1/x.png", "a_2/y.png"]
    files(tmp_path, "flat/x.png")
    assert found(tmp_path, templates, ["x.png", "y.png"]) == ["flat/x.png", "flat/y.png"]
    assert found(tmp_path, ["{image}.jpg", "b_*/{image}"], ["x", "y"]) == ["x.jpg", "y.jpg"]  # none: the first


def test_a_table_has_templates_of_its_own(tmp_path):
    files(tmp_path, "new/x.png")
    assert found(tmp_path, "", ["x.png"], tables=[{"file": "x.csv", "images": ["old/{image}", "new/{image}"]}]) == [
        "new/x.png"
    ]


def test_of_several_globs_the_first_that_finds_images(tmp_path):
    files(tmp_path, "jpg/1.jpg", "jpg/2.jpg")
    plain = {"name": "mine", "kind": "binary", "labels": {"A": {"pattern": "1"}}, "patient": {"pattern": "\\d"}}
    asked = DatasetSpec.from_dict({**plain, "root": str(tmp_path), "images": ["png/*.png", "jpg/*.jpg"]})
    assert len(read_dataset(asked)) == 2


def test_a_table_alone_may_list_absolute_paths(tmp_path):
    elsewhere = tmp_path / "elsewhere" / "x.png"
    root = tmp_path / "root"
    files(root, "y.png", "images/z.png")
    images = found(root, "{image}", [str(elsewhere), f"{root}//./y.png", "images/../y.jpg"])
    assert images == [str(elsewhere), "y.png", "y.jpg"]
    with refused("image-repeated", names=["line 3: y.png", "x.csv, line 2"]):
        found(root, "{image}", ["./y.png", f"{root}/y.png"])


def test_lists_of_images_may_write_them_otherwise(tmp_path):
    files(tmp_path, "a/x.png", "a/y.png")
    write(tmp_path, {"train.txt": f"./a/x.png\n\n{tmp_path}/a/z.png\n", "test.txt": "a//y.png\n\n"})
    rows = "patient,A,image\n1,1,x.png\n2,1,y.png\n3,1,z.png\n"
    write(tmp_path, {"x.csv": rows})
    change = {"images": "a/{image}", "split": {"training": "train.txt", "test": "test.txt"}}
    made = read_dataset(DatasetSpec.from_dict({**PLAIN, "root": str(tmp_path), **change}))
    assert made.splits.tolist() == [TRAINING, TEST, TRAINING]
