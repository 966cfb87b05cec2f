"""Mutual nearest neighbours: what holds for any network, and for one whose descriptors are the cells themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from radiograph_fakes import CELL, CellNetwork, grid_of, radiograph, shifted

from medssl.core.plan import Plan
from medssl.inference.patch_grid import embed_patches
from medssl.inspection.anatomy import correspondence
from medssl.inspection.anatomy.correspondence import find_correspondences, mutual_neighbours
from medssl.networks.peac import PeacNetwork


def tiny_peac() -> PeacNetwork:
    torch.manual_seed(0)
    net = PeacNetwork(width=32, patch=8, depths=(2, 2), heads=(1, 2), global_hidden=32, local_hidden=32).eval()
    net.plan = Plan("peac", {}, "paper", CellNetwork().plan.normalisation, (net.side,) * 2, "CXR")
    return net


@pytest.mark.parametrize("dense", [1, 2])
def test_an_image_corresponds_to_itself(dense):
    grid = embed_patches(radiograph(), tiny_peac(), dense)
    places = find_correspondences([grid, grid], count=8)
    assert len(places) == 8
    for place in places:
        match = place.matches[0]
        assert match.similarity == pytest.approx(1, abs=1e-5)
        assert (match.x, match.y) == pytest.approx((place.x, place.y), abs=0.5 * grid.step[0])


def test_cells_that_moved_are_found_where_they_went():
    image = radiograph()
    grids = [grid_of(image), grid_of(shifted(image, 2 * CELL, CELL))]
    places = find_correspondences(grids, count=20)
    moves = [(p.matches[0].x - p.x, p.matches[0].y - p.y) for p in places]
    around = 19 * CELL
    assert len(places) == 20
    assert all((dx % around, dy % around) == pytest.approx((2 * CELL, CELL)) for dx, dy in moves)
    assert all(p.matches[0].similarity == pytest.approx(1, abs=1e-5) for p in places)


def test_places_are_spread():
    grid = grid_of(radiograph())
    places = np.array([(p.x, p.y) for p in find_correspondences([grid, grid], count=12)])
    assert len(np.unique(places, axis=0)) == 12
    assert (np.ptp(places, axis=0) > 0.4 * 19 * CELL).all()


def test_mutual_neighbours_in_chunks_equal_the_literal_ones(monkeypatch):
    first, second = grid_of(radiograph(1)), grid_of(radiograph(2))
    monkeypatch.setattr(correspondence, "CHUNK", 1000)
    mutual, place, best = mutual_neighbours(first, second)
    similarities = first.descriptors.flatten(0, 1) @ second.descriptors.flatten(0, 1).T
    forth, back = similarities.argmax(dim=1), similarities.argmax(dim=0)
    expected = back[forth] == torch.arange(len(forth))
    assert torch.equal(mutual, expected) and 10 < int(mutual.sum()) < len(mutual)
    assert torch.equal(place, forth) and torch.allclose(best, similarities.amax(dim=1))


def test_places_of_all_images_go_before_those_of_some():
    image, other = radiograph(1), radiograph(2)
    half = image.array.copy()
    half[: 10 * CELL] = other.array[: 10 * CELL]  # the left half shows something else
    grids = [grid_of(image), grid_of(image), grid_of(image.with_array(half))]
    places = find_correspondences(grids, count=15)
    assert all(all(place.matches) and place.x > 10 * CELL for place in places)
    many = find_correspondences(grids, count=19 * 19)
    assert any(place.matches[1] is None for place in many) and all(place.matches[0] for place in many)


def test_places_that_show_nothing_are_no_candidates():
    array = radiograph().array.copy()
    array[: 9 * CELL, 2 * CELL :] = 60
    image = radiograph().with_array(array)
    grid = grid_of(image)
    assert not bool(grid.foreground.all())
    for place in find_correspondences([grid, grid], count=50):
        assert bool(grid.foreground[tuple(np.rint(grid.places(np.array([place.x, place.y]))).astype(int))])


def test_the_answer_is_the_same_for_a_seed():
    grids = [grid_of(radiograph(1)), grid_of(radiograph(2))]
    assert find_correspondences(grids, 6, seed=3) == find_correspondences(grids, 6, seed=3)
