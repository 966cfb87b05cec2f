"""A label map lies on its image in whatever order its axes are stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from labelled import labels_of, volume
from refusals import refused

from medssl.images.formats.reading import write_volume
from medssl.images.geometry import Turn, turned
from medssl.images.label_maps import read_label_map, turned_like

ORDERS = [
    Turn(order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize("turn", ORDERS, ids=lambda turn: f"{turn.order}{turn.flipped}")
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_all_48_orders_give_the_same_label_map(tmp_path, turn, suffix):
    image = volume((14, 13, 12))
    array = np.random.default_rng(1).integers(0, 5, image.shape).astype(np.uint8)
    path = tmp_path / f"labels{suffix}"
    write_volume(turned(image.with_array(array), turn), path)
    read = read_label_map(path, image)
    assert np.array_equal(read.array, array)
    assert np.array_equal(read.origin, image.origin) and np.array_equal(read.direction, image.direction)


@pytest.mark.parametrize("turn", ORDERS[::7])
def test_turning_labels_like_an_image_undoes_any_turn(turn):
    image = volume((9, 8, 7))
    labels = image.with_array(np.random.default_rng(2).integers(0, 9, image.shape))
    back = turned_like(turned(labels, turn), image)
    assert np.array_equal(back.array, labels.array)
    np.testing.assert_allclose(back.ijk_to_ras, image.ijk_to_ras, atol=1e-9)


@pytest.mark.parametrize("turn", ORDERS[5::11])
def test_another_place_is_refused_in_any_order(tmp_path, turn):
    image = volume()
    moved = turned(image.with_array(labels_of(image)), turn)
    object.__setattr__(moved, "origin", moved.origin + 0.1)
    write_volume(moved, tmp_path / "labels.nrrd")
    with refused("grid-mismatch", names="origin"):
        read_label_map(tmp_path / "labels.nrrd", image)
