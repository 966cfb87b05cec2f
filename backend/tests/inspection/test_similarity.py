"""Click-to-find: one comparison with every place, a match, a runner-up elsewhere, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from radiograph_fakes import CELL, SIDE, RadiographContext, grid_of, radiograph, references, shifted

from medssl.client.session import similarity_maps
from medssl.core.errors import InputError
from medssl.core.protocol import ResultStatus
from medssl.images.formats.reading import read_volume
from medssl.inspection.anatomy import similarity
from medssl.inspection.anatomy.similarity import best_match, find_point, peak_offset


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


def test_the_inspection_writes_nothing_unless_asked(tmp_path):
    image = radiograph()
    context = RadiographContext(tmp_path, [image, shifted(image, CELL, 0)])
    request = {"images": references(2), "model": "m", "x": 49.5, "y": 61.5}
    similarity.inspect(request, context)
    found = context.found
    assert found.files == [] and list(context.folder.iterdir()) == []
    assert [row["image"] for row in found.table] == [0, 1]
    assert found.table[1]["x"] - found.table[0]["x"] == pytest.approx(CELL, abs=0.5)
    maps = similarity_maps(ResultStatus("r", "similarity", "finished", info=found.info))
    assert maps[1].shape == (38, 38) and maps[1].max() <= 1.00001
    assert found.info["maps"][0]["step"] == pytest.approx((CELL / 2, CELL / 2))


def test_files_lie_where_the_image_lies(tmp_path):
    image = radiograph(shape=(2 * SIDE, SIDE))
    context = RadiographContext(tmp_path, [image])
    similarity.inspect({"images": references(1), "model": "m", "x": 101.5, "y": 41.5, "files": True}, context)
    heat = read_volume(context.folder / "similarity-0.nrrd")
    assert heat.shape == (76, 38) and heat.spacing[:2] == pytest.approx([CELL / 2] * 2)
    assert heat.origin[:2] == pytest.approx([CELL / 4 - 0.5] * 2)
    best = np.unravel_index(heat.array.argmax(), heat.shape)
    assert heat.origin[:2] + np.array(best) * heat.spacing[:2] == pytest.approx([101.5, 41.5])
    assert (context.folder / "montage.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": 152.0}, r"\(152, 60\): lies outside"),
        ({"y": -0.6}, "lies outside"),
        ({"x": float("nan")}, "lies outside"),
        ({"source": 2}, "source = 2"),
        ({"source": -1}, "source = -1"),
        ({"images": []}, "too few"),
    ],
)
def test_refusals(tmp_path, change, says):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    with pytest.raises(InputError, match=says):
        similarity.inspect({"images": references(2), "model": "m", "x": 50.0, "y": 60.0, **change}, context)


def test_images_of_other_shapes_and_channels(tmp_path):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2, (200, 410)), radiograph(3, (70, 64))])
    similarity.inspect({"images": references(3), "model": "m", "x": 50.0, "y": 60.0}, context)
    for row, image in zip(context.found.table, context.images):
        assert -0.5 <= row["x"] <= image.shape[0] - 0.5 and -0.5 <= row["y"] <= image.shape[1] - 0.5
