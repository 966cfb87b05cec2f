"""Paths that a home recorded are found again where the home was copied to; others stay as they are."""

from __future__ import annotations

import pytest

from medssl.core.home import all_in_home, in_home


@pytest.fixture
def moved(tmp_path):
    for name in (
        "jobs/j/results/model.safetensors",
        "volumes/a.nrrd",
        "data/set/a.png",
        "jobs/j/results/several.nii.gz",
    ):
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).touch()
    return tmp_path / "home"


@pytest.mark.parametrize("root", ["/old/home", "/home/x/jobs and more/medssl", "C:\\Users\\x\\MedSSL"])
def test_what_lies_in_this_home_is_meant(moved, root):
    slash = "\\" if "\\" in root else "/"
    for name in (
        "jobs/j/results/model.safetensors",
        "volumes/a.nrrd",
        "data/set/a.png",
        "jobs/j/results/several.nii.gz#3",
    ):
        assert in_home(slash.join([root, *name.split("/")]), moved) == str(moved / name)


def test_an_original_that_is_still_there_is_not_taken_for_a_copied_job(moved, tmp_path):
    old = tmp_path / "old" / "jobs" / "j" / "results" / "model.safetensors"
    old.parent.mkdir(parents=True)
    old.touch()
    assert in_home(str(old), moved) == str(moved / "jobs/j/results/model.safetensors")
    data = tmp_path / "old" / "data" / "set" / "a.png"
    data.parent.mkdir(parents=True)
    data.touch()
    assert in_home(str(data), moved) == str(data)


@pytest.mark.parametrize(
    "path",
    ["", "liver", "jobs/j/results/model.safetensors", "/old/jobs/../volumes/a.nrrd", "/a.png", "/gone/b.png", "a/b/c"],
)
def test_what_is_no_path_below_a_home_stays(moved, path):
    assert in_home(path, moved) == path


def test_every_string_of_a_tree_is_looked_at(moved):
    tree = {"a": [{"path": "/old/volumes/a.nrrd", "n": 1}], "b": None}
    assert all_in_home(tree, moved) == {"a": [{"path": str(moved / "volumes/a.nrrd"), "n": 1}], "b": None}
