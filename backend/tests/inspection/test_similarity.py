"""Click-to-find: one comparison with every place, a match, a runner-up elsewhere, and how sure that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from radiograph_fakes import CELL, SIDE, grid_of, radiograph, shifted

from medssl.inspection.anatomy.point_search import find_point, point_notes
from medssl.inspection.anatomy.similarity import best_match, peak_offset


def test_a_point_is_found_where_its_cell_went():
    image = radiograph()
    grids = [grid_of(image), grid_of(shifted(image, 3 * CELL, -2 * CELL))]
    x, y = grids[0].pixels(np.array([9, 8]))
    maps, matches = find_point(grids, 0, x, y)
    assert maps[1].shape == (19, 19)
    assert (matches[1].x, matches[1].y) == pytest.approx((x + 3 * CELL, y - 2 * CELL))
    assert matches[1].similarity == pytest.approx(1, abs=1e-5) and matches[1].confidence > 0.99
    assert (matches[0].x, matches[0].y) == pytest.approx((x, y))


def test_a_point_between_places_is_refined_towards():
    grid = grid_of(radiograph(), dense=4)
    point = grid.pixels(np.array([30.2, 41.8]))
    _, (match,) = find_point([grid], 0, *point)
    nearest = grid.pixels(np.array([30, 42]))
    assert np.hypot(match.x - point[0], match.y - point[1]) < np.hypot(*(nearest - point))


def test_the_runner_up_lies_elsewhere_and_confidence_is_the_ratio_of_distances():
    grid = grid_of(radiograph(), dense=2)
    values = torch.zeros(grid.shape)
    values[10, 10], values[10, 12], values[10, 13], values[30, 5] = 0.9, 0.85, 0.7, 0.6
    match = best_match(values, grid)
    assert match.similarity == pytest.approx(0.9) and match.runner_up_similarity == pytest.approx(0.7)  # 1.5 cells away
    assert match.runner_up == pytest.approx(tuple(grid.pixels(np.array([10, 13]))))
    assert match.confidence == pytest.approx(1 - 0.1 / 0.3)


def test_equal_places_leave_no_confidence():
    grid = grid_of(radiograph())
    assert best_match(torch.ones(grid.shape), grid).confidence == 0


def test_the_background_is_never_the_match():
    grid = grid_of(radiograph())
    grid.foreground[:, :10] = False
    values = torch.zeros(grid.shape)
    values[3, 3], values[5, 15] = 0.9, 0.2
    assert best_match(values, grid).x == pytest.approx(grid.pixels(np.array([5, 15]))[0])


def test_the_peak_of_a_parabola_is_found_exactly():
    rows, columns = np.indices((7, 9), dtype=float)
    values = 0.8 - 0.01 * (rows - 3.2) ** 2 - 0.02 * (columns - 4.7) ** 2
    place = np.array(np.unravel_index(values.argmax(), values.shape))
    assert place + peak_offset(values, place) == pytest.approx([3.2, 4.7])
    assert peak_offset(values, np.array([0, 5])) == pytest.approx([0, -0.3])  # no peak at the border
    assert peak_offset(values + 0.2019, place) == pytest.approx([0, 0])  # nothing is more similar than equal


def test_a_point_where_nothing_is_shown_has_no_confidence():
    image = radiograph()
    framed = replace(image, array=np.pad(image.array, ((60, 0), (0, 0))))
    grids = [grid_of(framed), grid_of(image)]
    border = find_point(grids, 0, 20.0, 70.0)[1]
    assert [match.confidence for match in border] == [0, 0] and "border" in point_notes(grids[0], 20.0, 70.0)[0]
    body = find_point(grids, 0, 100.0, 70.0)[1]
    assert body[0].confidence > 0 and point_notes(grids[0], 100.0, 70.0) == []
    grids[0].foreground[:3] = False
    assert find_point(grids, 0, 100.0, 10.0)[1][0].confidence == 0 and point_notes(grids[0], 100.0, 10.0)


def test_no_match_lies_outside_the_image():
    """The last row of cells of an image that is no whole number of cells high hangs over its edge."""
    image = radiograph(shape=(SIDE, SIDE + 2))
    grid = grid_of(image)
    assert grid.shape == (20, 19) and not grid.foreground[19].any() and grid.foreground[:19].all()
    assert grid.shows(np.array([SIDE / 2, SIDE + 1.0])), "below the last centre the cell above counts"
    values = torch.zeros(grid.shape)
    values[17, 18], values[18, 18], values[18, 17], values[19, 18] = 0.85, 0.9, 0.85, 0.9
    match = best_match(values, grid)
    assert match.x <= SIDE - 0.5 and match.y <= SIDE + 1.5
    assert np.array_equal(grid.inside(np.array([-9.0, 999.0])), [-0.5, SIDE + 1.5])
