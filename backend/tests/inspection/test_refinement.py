"""Search near the same place, and matches looked at again on finer cells: known moves, edges, an untrained control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from radiograph_fakes import CELL, SIDE, CellNetwork, grid_of, radiograph, shifted

from medssl.inference import fine_patches
from medssl.inference.fine_patches import FinePatches
from medssl.inference.patch_grid import embed_patches, prepare
from medssl.inference.untrained import untrained_of_preset
from medssl.inspection.anatomy.correspondence import (
    agreement,
    correspondence_rows,
    find_correspondences,
    match_place,
    mutual_neighbours,
)
from medssl.inspection.anatomy.point_search import find_point, search_circles
from medssl.inspection.anatomy.refinement import cell_similarity
from medssl.inspection.anatomy.search_area import same_place, searched
from medssl.inspection.warp.point_pairs import found_pairs


def test_the_prepared_source_is_what_the_network_saw():
    image = replace(radiograph(), array=np.pad(radiograph().array, ((20, 9), (0, 30))))
    net = CellNetwork()
    grid, seen = grid_of(image), prepare(image, net)
    again = prepare(grid.source, net)
    assert torch.equal(seen.padded, again.padded) and seen.box == again.box == (20, 0, SIDE, SIDE)


def test_a_cell_at_a_grid_place_is_that_of_the_grid():
    grid = grid_of(radiograph())
    fine = FinePatches(grid, CellNetwork())
    for row, column in ((9, 9), (0, 0), (18, 18), (3, 17)):
        cell = fine.at(grid.pixels(np.array([row, column])))
        assert torch.allclose(cell[1, 1], grid.descriptors[row, column], atol=1e-5)
        below = cell[2, 1]
        assert torch.allclose(below, grid.descriptors[row + 1, column], atol=1e-5) if row < 18 else not below.any()
    outside = fine.at(np.array([-300.0, 900.0]))
    assert torch.isfinite(outside).all() and outside[1, 1].any(), "the nearest cell stands for a place beyond"


def test_windows_are_kept_up_to_a_limit(monkeypatch):
    grid, places = grid_of(radiograph()), [(20.0, 20.0), (60.0, 61.5), (90.0, 90.3), (20.0, 20.0)]
    every = FinePatches(grid, CellNetwork())
    expected = [every.around(np.array(place))[0] for place in places]
    monkeypatch.setattr(fine_patches, "KEPT_BYTES", 0)
    few = FinePatches(grid, CellNetwork())
    for place, values in zip(places, expected):
        assert torch.equal(few.around(np.array(place))[0], values)
    few.at(np.array(places[0]))
    assert len(few._kept) == 1 < len(every._kept)


def test_the_fine_grid_lies_where_it_says():
    grid = grid_of(radiograph())
    fine, place = FinePatches(grid, CellNetwork()), grid.pixels(np.array([9, 9]))
    found, pixels = fine.around(place)
    assert found.shape == (9, 9, 3, 3, CELL**2) and np.allclose(np.diff(pixels[0, :, 0]), CELL / 4)
    assert np.allclose(pixels[4, 4], place) and torch.allclose(found[4, 4, 1, 1], grid.descriptors[9, 9], atol=1e-5)
    for row, column in ((0, 3), (5, 8), (2, 2)):
        assert torch.allclose(found[row, column], fine.at(pixels[row, column]), atol=1e-5)


@pytest.mark.parametrize("move", [(3, 5), (4, 4), (-2, 7)])
def test_a_move_by_a_fraction_of_a_cell_is_found_to_a_fifth(move):
    image = radiograph(blur=2.5)
    grids = [grid_of(image), grid_of(shifted(image, *move))]
    finer = [FinePatches(grid, CellNetwork()) for grid in grids]
    away = {"coarse": [], "refined": []}
    for x, y in ((60.0, 60.0), (71.3, 88.9), (90.0, 47.5)):
        for name, looked in (("coarse", ()), ("refined", finer)):
            match = find_point(grids, 0, x, y, 12.0, looked)[1][1]  # noise looks alike elsewhere
            away[name].append(np.hypot(match.x - x - move[0], match.y - y - move[1]) / CELL)
    assert np.median(away["refined"]) < 0.2 < 0.3 < np.median(away["coarse"])


def test_cells_at_the_border_are_refined_too():
    grids = [grid_of(radiograph()), grid_of(shifted(radiograph(), 2, 2))]
    finer = [FinePatches(grid, CellNetwork()) for grid in grids]
    for x, y in ((0, 0), (SIDE - 1, SIDE - 1), (SIDE - 1, 3)):
        match = find_point(grids, 0, x, y, finer=finer)[1][1]
        assert -0.5 <= match.x <= SIDE - 0.5 and -0.5 <= match.y <= SIDE - 0.5 and 0 <= match.confidence <= 1


def test_refined_matches_that_move_away_are_not_called_mutual():
    """Where the finer look finds another place more alike, that one is nobody's mutual neighbour."""
    net = untrained_of_preset("laptop", 0)
    grids = [embed_patches(radiograph(seed, blur=3.0), net) for seed in (1, 2)]
    finer = [FinePatches(grid, net) for grid in grids]
    mutual, there, _ = mutual_neighbours(*grids)
    numbers = np.flatnonzero(mutual.numpy())
    here, neighbours = (
        grid.pixels(np.stack(np.divmod(of_grid, grid.shape[1]), axis=1))
        for grid, of_grid in zip(grids, (numbers, there[mutual].numpy()))
    )
    of_place = {tuple(place): neighbour for place, neighbour in zip(here.round(3), neighbours)}

    def away(x, y, match):
        return np.hypot(*((np.array([match.x, match.y]) - of_place[round(x, 3), round(y, 3)]) / grids[1].cell))

    moved = np.array([away(x, y, match_place(grids, x, y, [True], 0.0, finer)[0]) for x, y in here]) > 1.5
    assert moved.any() and not moved.all()
    places = find_correspondences(grids, len(here), finer=finer)
    rows = [row for row in correspondence_rows(places, ["a", "b"]) if row["image"] == 1]
    assert [row["mutual"] for row in rows] == [away(p.x, p.y, p.matches[0]) <= 1.5 for p in places]
    pairs = found_pairs(grids, finer=finer)
    assert np.array_equal(pairs.moving, here[~moved])


def test_a_circle_lies_at_the_same_share_of_what_is_looked_at():
    """A letter box or collimation is no part of the patient."""
    image = radiograph()
    framed = replace(image, array=np.pad(image.array, ((60, 0), (10, 50))))
    grids = [grid_of(image), grid_of(framed)]
    circle = search_circles(grids, 0, 40.0, 90.0, 5.0)[1]
    assert grids[1].box == (60, 10, SIDE, SIDE) and (circle.x, circle.y) == pytest.approx((100, 100))
    mutual, there, _ = mutual_neighbours(*grids, 2.0)
    assert mutual.all() and torch.equal(there, torch.arange(len(there)))


def test_neighbours_that_are_not_seen_do_not_count():
    wanted = torch.nn.functional.normalize(torch.rand(3, 3, 5), dim=2)
    seen = wanted.clone()
    assert float(cell_similarity(seen, wanted)) == pytest.approx(1)
    seen[0] = 0
    assert float(cell_similarity(seen, wanted)) == pytest.approx(1)
    seen[1, 1] = 0
    assert float(cell_similarity(seen, wanted)) == -torch.inf


def test_a_radius_keeps_matches_near_the_same_relative_place():
    image = radiograph()
    wide = radiograph(1, (SIDE, SIDE + 40))
    grids = [grid_of(image), grid_of(wide)]
    x, y = 40.0, 90.0
    _, matches = find_point(grids, 0, x, y, 10.0)
    circle = search_circles(grids, 0, x, y, 10.0)[1]
    assert (circle.x, circle.y) == pytest.approx(
        same_place(np.array([x, y]), (0, 0, SIDE, SIDE), (0, 0, SIDE, SIDE + 40))
    )
    assert circle.radius == pytest.approx(0.1 * SIDE)
    assert np.hypot(matches[1].x - circle.x, matches[1].y - circle.y) <= circle.radius + CELL
    assert search_circles(grids, 0, x, y, 0.0) == [None, None]
    assert torch.equal(searched(grids[1], None), grids[1].foreground)


def test_where_the_circle_shows_nothing_the_nearest_place_is_taken():
    grid = grid_of(radiograph())
    grid.foreground[:, :12] = False
    circle = search_circles([grid, grid], 0, 20.0, 60.0, 5.0)[1]
    rows, columns = np.nonzero(searched(grid, circle).numpy())
    assert set(columns) == {12} and len(rows) >= 1


def test_correspondences_stay_within_the_radius_and_are_refined():
    image = radiograph()
    grids = [grid_of(image), grid_of(shifted(image, 2 * CELL + 2, 0))]
    near = find_correspondences(grids, 6, radius=5.0)
    assert all(abs(m.x - place.x) <= 0.05 * SIDE + CELL for place in near for m in place.matches)
    mutual, there, _ = mutual_neighbours(grids[0], grids[1], 5.0)
    pixels = [grid.pixels(np.stack(np.indices(grid.shape), axis=-1)).reshape(-1, 2) for grid in grids]
    away = np.hypot(*(pixels[0][mutual.numpy()] - pixels[1][there[mutual].numpy()]).T)
    assert mutual.any() and away.max() <= 0.05 * SIDE
    finer = [FinePatches(grid, CellNetwork()) for grid in grids]
    refined = find_correspondences(grids, 6, radius=20.0, finer=finer)
    moved = np.array([m.x - place.x for place in refined for m in place.matches])
    assert np.median(np.abs(moved - 2 * CELL - 2)) < 0.1 * CELL
    controls = [match_place(grids, place.x, place.y, [True], 20.0, finer) for place in refined]
    assert agreement(refined, controls, grids) == (len(refined), len(refined))


def test_a_transformer_is_refined_below_half_a_cell():
    """Its tokens depend on what lies around and on the place in the window, unlike those of the other tests."""
    net, move = untrained_of_preset("laptop", 0), np.array([3, -4])
    image = radiograph(blur=3.0, shape=(152, 152))
    grids = [embed_patches(one, net) for one in (image, shifted(image, *move))]
    finer = [FinePatches(grid, net) for grid in grids]
    away = {"coarse": [], "refined": []}
    for point in np.array([[50.0, 62.0], [75.0, 91.0], [98.0, 66.0]]):
        for name, looked in (("coarse", ()), ("refined", finer)):
            match = find_point(grids, 0, *point, 8.0, looked)[1][1]
            away[name].append(np.hypot(*((np.array([match.x, match.y]) - point - move) / grids[1].cell)))
    assert np.median(away["refined"]) < 0.3 and np.median(away["refined"]) < np.median(away["coarse"])
