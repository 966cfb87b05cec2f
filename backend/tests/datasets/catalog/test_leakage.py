"""Checks over all sets of a training."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from medssl.core.errors import CatalogError
from medssl.datasets.catalog import leakage as declared_sides
from medssl.datasets.catalog.leakage import LeakageCheck, check_unchanged, no_room_for
from medssl.datasets.crops.multi_set import SetPart


def pair(name: str, count: int = 4) -> tuple[SetPart, SetPart]:
    targets = np.arange(count, dtype=np.float32)[:, None]
    images = [f"/{name}/{n}.png" for n in range(count)]
    return SetPart(name, "binary", ("x",), images, targets), SetPart(
        name, "binary", ("x",), [f"/{name}/v.png"], targets[:1]
    )


def test_an_image_that_trains_in_one_set_may_not_be_kept_aside_in_another():
    sides = LeakageCheck()
    sides.add("a", ["1.png", "2.png"], ["3.png"])
    sides.add("b", ["1.png"], ["3.png", "4.png"])
    sides.check()  # on the same sides in both
    sides.add("c", ["5.png"], ["2.png"])
    with pytest.raises(CatalogError, match=r"1 images, the first 2\.png,: train in set a and are kept aside in set c"):
        sides.check()


def test_a_resumed_run_is_refused_where_a_set_changed(tmp_path: Path):
    path, parts = tmp_path / "sets.json", [pair("a"), pair("b")]
    check_unchanged(path, parts)
    check_unchanged(path, parts)
    training, validation = parts[1]
    for changed in (
        dataclasses.replace(training, images=[*training.images[1:], training.images[0]]),
        dataclasses.replace(training, targets=1 - training.targets),
        dataclasses.replace(training, classes=("y",)),
    ):
        with pytest.raises(CatalogError, match="set b: is not what this run began with"):
            check_unchanged(path, [parts[0], (changed, validation)])
    with pytest.raises(CatalogError, match="set c"):
        check_unchanged(path, [*parts, pair("c")])


def test_images_are_kept_only_where_there_is_room(tmp_path: Path, monkeypatch):
    free = namedtuple("Usage", "total used free")(0, 0, 10 * 5 * 100**2)
    monkeypatch.setattr(declared_sides.shutil, "disk_usage", lambda folder: free)
    assert no_room_for(tmp_path / "not" / "there", [pair("a", 8)], 100 * 2) == ""
    assert "decoded in every epoch" in no_room_for(tmp_path, [pair("a", 20)], 100 * 2)
