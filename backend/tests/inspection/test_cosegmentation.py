"""Co-segmentation: what is alike in all images gets one label, at full size, whatever the size."""

from __future__ import annotations

import numpy as np
import torch
from body_fakes import BrightnessNetwork, body, truth
from radiograph_fakes import CellNetwork, radiograph

from medssl.inference.patch_grid import embed_patches
from medssl.inspection.anatomy.cosegmentation import elbow, find_parts, label_parts
from medssl.inspection.anatomy.part_maps import majority


def test_label_maps_are_bytes():
    image = body(1)
    grid = embed_patches(image, BrightnessNetwork(), 2)
    labels = label_parts(grid, find_parts([grid], 3))
    assert labels.dtype == np.uint8 and labels.shape == image.shape


def test_what_lies_along_the_border_is_background():
    image = body(1)
    framed = np.where(truth(image) == 0, 120, image.array).astype(np.int16)
    framed[:16], framed[-16:], framed[:, :16], framed[:, -16:] = 10, 12, 11, 14
    framed = framed + np.random.default_rng(0).integers(-8, 8, framed.shape).astype(np.int16)
    grid = embed_patches(image.with_array(framed), BrightnessNetwork(), 2)
    labels = label_parts(grid, find_parts([grid], 3))
    assert (labels[:12] == 0).mean() > 0.95 and (labels[50:100, 30:60] > 0).mean() > 0.95


def test_a_part_needs_most_of_the_images():
    plain = body(1)
    grids = [embed_patches(image, BrightnessNetwork(), 2) for image in (body(1), plain, plain)]
    only = embed_patches(body(4).with_array(np.where(truth(body(4)) == 2, 160, body(4).array)), BrightnessNetwork(), 2)
    parts = find_parts([grids[0], only, only], 4)
    assert all(2 * parts.votes[n] > 3 for n in parts.kept)
    assert len(parts.kept) < 4


def test_the_elbow_is_where_the_curve_bends():
    assert elbow([100, 50, 20, 18, 16, 14]) == 2
    grids = [embed_patches(body(seed), BrightnessNetwork(), 1) for seed in range(3)]
    parts = find_parts(grids)
    assert len(parts.elbow) == 10 and parts.elbow[0][0] == 3
    inertia = [value for _, value in parts.elbow]
    assert len(parts.centres) == parts.elbow[elbow(inertia)][0]


def test_the_same_seed_gives_the_same_parts():
    grids = [embed_patches(radiograph(seed), CellNetwork(), 1) for seed in (1, 2)]
    first, second = find_parts(grids, 5, seed=3), find_parts(grids, 5, seed=3)
    assert torch.equal(first.centres, second.centres) and first.kept == second.kept


def test_majority_takes_the_most_frequent_label():
    labels = np.zeros((9, 9), np.uint8)
    labels[:, 5:] = 3
    labels[4, 2] = 7
    smooth = majority(labels, 3)
    assert smooth[4, 2] == 0 and (smooth[:, 6:] == 3).all() and (smooth[:, :4] == 0).all()
