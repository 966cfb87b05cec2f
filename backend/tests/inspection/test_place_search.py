"""Points of one volume found in another: exact where the other shows the same, within a radius, on the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from described import blobs, describer, stored_otherwise, unit
from refusals import refused

from medssl.inference.volumes import voxel_grid
from medssl.inference.volumes.voxel_grid import VoxelGrid, describe_volume
from medssl.inspection.volume_match import place_search
from medssl.inspection.volume_match.place_search import check_points, find_places, peak_offset, points_shown
from medssl.inspection.volume_match.shared_places import choose_points


@pytest.fixture(scope="module")
def net():
    return describer()


@pytest.fixture(scope="module")
def source(net):
    return describe_volume(blobs(), net)


def made(source: VoxelGrid, descriptors: torch.Tensor) -> VoxelGrid:
    """A grid of the same place with other descriptors."""
    return replace(source, descriptors=descriptors.half())


@pytest.mark.parametrize(("refine", "tile", "looks"), [(False, 32, 0), (True, 32, 3), (True, 48, 0)])
def test_the_same_volume_stored_otherwise_has_every_point_where_it_is(source, net, refine, tile, looks, monkeypatch):
    """Whether the cells decide, or a closer look, which volumes that were seen in one piece (of at most `tile` voxels) do without."""
    closely: list[np.ndarray] = []
    real = place_search.look_closely
    monkeypatch.setattr(voxel_grid, "TILE", tile)
    monkeypatch.setattr(place_search, "look_closely", lambda *given: closely.append(given[2]) or real(*given))
    target = describe_volume(stored_otherwise(blobs()), net)
    points = source.points(np.array([[5, 6, 7], [10, 15, 8], [14, 9, 5]]))
    matches, maps = zip(*find_places(source, target, net, points, refine=refine))
    assert len(closely) >= 2 * looks and (looks > 0) == bool(closely)
    for match, point in zip(matches, points):
        assert np.linalg.norm(match.point - point) < 1.0 and match.similarity > 0.99
        assert 0.5 < match.confidence <= 1
    assert [one.shape for one in maps] == [target.shape] * 3


def test_what_has_moved_is_found_where_it_went(source, net):
    """The coordinates are the same, the anatomy is not: it lies three cells further."""
    cells = unit(5, *source.shape, 16)
    points = source.points(np.array([[5, 12, 8], [9, 4.0, 3]]))
    matches, _ = zip(
        *find_places(made(source, cells), made(source, cells.roll((3, -2), (0, 1))), net, points, refine=False)
    )
    for match, point in zip(matches, points):
        assert np.linalg.norm(match.point - point - [6, -4, 0]) < 1.0 and match.way_back == 0


def test_best_place_and_runner_up(source, net):
    """A map that is made: two cells like the point's, one less so."""
    cells = unit(3, *source.shape, 16)
    wanted = source.at(source.points(np.array([[5.0, 5, 5]])))[0]
    cells -= (cells @ wanted)[..., None] * wanted  # nothing like it
    cells[15, 20, 10] = wanted
    cells[4, 4, 4] = 0.6 * wanted + 0.8 * torch.nn.functional.normalize(cells[4, 4, 4], dim=0)
    matches, _ = zip(
        *find_places(source, made(source, cells), net, source.points(np.array([[5.0, 5, 5]])), refine=False)
    )
    (match,) = matches
    assert np.allclose(source.places(match.point), [15, 20, 10], atol=0.6) and match.similarity == pytest.approx(
        1, abs=2e-3
    )
    assert np.allclose(source.places(match.runner_up), [4, 4, 4], atol=0.6)
    assert match.runner_up_similarity == pytest.approx(0.6, abs=0.02)
    assert match.confidence == pytest.approx(1, abs=0.01)


def test_a_radius_is_around_the_same_relative_place(source, net):
    point = source.points(np.array([[5.0, 6, 7]]))
    cells = source.descriptors.float().clone()
    cells[15, 20, 10] = source.descriptors[5, 6, 7].float()
    cells[5:8, 6:9, 7:10] = -cells[5:8, 6:9, 7:10]
    target = made(source, cells)
    everywhere, _ = zip(*find_places(source, target, net, point, refine=False))
    near, _ = zip(*find_places(source, target, net, point, radius=8.0, refine=False))
    assert np.allclose(source.places(everywhere[0].point), [15, 20, 10], atol=0.6)
    assert np.linalg.norm(near[0].point - point[0]) <= 8.0 + np.linalg.norm(source.step_mm) / 2
    with refused("search-radius-empty", names="0.1"):
        next(find_places(source, target, net, source.points(np.array([[5.5, 6.5, 7.5]])), radius=0.1))


def test_only_a_few_maps_are_held_at_a_time(source, net, monkeypatch):
    asked, whole = [], place_search.similarity_maps
    monkeypatch.setattr(place_search, "MAPS", 2)
    monkeypatch.setattr(
        place_search, "similarity_maps", lambda grid, some: asked.append(len(some)) or whole(grid, some)
    )
    points = source.points(np.array([[5.0, 6, 7], [6.0, 6, 7], [7.0, 6, 7]]))
    grouped = [match.point for match, _ in find_places(source, source, net, points, refine=False)]
    assert [n for n in asked if n > 1] == [2] and np.allclose(grouped, points, atol=source.step_mm.max())


def test_a_point_where_nothing_is_shown_has_no_confidence(source, net):
    point, foreground = source.points(np.array([[5.0, 6, 7]])), source.foreground.clone()
    foreground[5, 6, 7] = False
    blank = replace(source, foreground=foreground)
    assert points_shown(source, point).all() and not points_shown(blank, point).any()
    (seen,), (match,) = (
        [match for match, _ in find_places(one, source, net, point, refine=False)] for one in (source, blank)
    )
    assert seen.confidence > 0 == match.confidence and np.allclose(seen.point, match.point)


def test_points_outside_are_refused(source):
    with refused("place-outside", names=("-200.0", "blobs")):
        check_points(source, np.array([[200.0, 0, 40]]), "blobs")


def test_shared_places_lead_back_and_are_spread(source, net):
    cells = unit(5, *source.shape, 16)
    first, second = made(source, cells), made(source, torch.cat([-cells[:10], cells[10:]]))
    points = choose_points([first, second], 6, seed=1)
    assert points.shape == (6, 3) and np.array_equal(points, choose_points([first, second], 6, seed=1))
    assert (first.places(points)[:, 0] >= 10).all(), "the other half is not there"
    apart = np.linalg.norm(points[:, None] - points, axis=2) + 100 * np.eye(6)
    assert apart.min() > 8.0
    assert len(choose_points([first, second], 256)) < 256, "fewer come where fewer lead back"


def test_the_vertex_of_a_peak():
    i, j, k = np.meshgrid(*(np.arange(7.0),) * 3, indexing="ij")
    values = -((i - 3.3) ** 2) - (j - 2.8) ** 2 - (k - 3) ** 2
    assert np.allclose(peak_offset(values, [3, 3, 3]), [0.3, -0.2, 0])
    assert np.allclose(peak_offset(values, [0, 3, 6]), [0, -0.2, 0]), "none at the border"
