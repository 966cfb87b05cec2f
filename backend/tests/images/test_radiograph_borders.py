from __future__ import annotations

import numpy as np
import pytest
from phantoms import chest

from medssl.images.borders import trimmed_box
from medssl.images.resizing import resized


def framed(*margins: int, value: float = 0.0) -> np.ndarray:
    """The chest with margins left, right, top, bottom."""
    left, right, top, bottom = margins
    return np.pad(chest(), ((left, right), (top, bottom)), constant_values=value)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (30, 0, 0, 0), (0, 20, 7, 1), (40, 40, 50, 50)])
def test_uniform_borders_are_found(margins, value):
    assert trimmed_box(framed(*margins, value=value)) == (margins[0], margins[2], 200, 240)


def test_nearly_uniform_borders_are_found_under_noise():
    rng = np.random.default_rng(1)
    image = framed(30, 20, 10, 25, value=0.4)
    image[:30] += rng.uniform(0, 0.01, image[:30].shape)
    assert trimmed_box(image) == (30, 10, 200, 240)


def test_borders_of_two_greys_are_found_behind_each_other():
    image = np.pad(framed(30, 30, 0, 0), ((0, 0), (20, 20)), constant_values=1.0)
    assert trimmed_box(image) == (30, 20, 200, 240)


def test_a_dark_background_is_no_border():
    image = chest()
    image[:, :40] *= 0.2  # the air above the shoulders, with its noise and scatter
    assert trimmed_box(image) == (0, 0, 200, 240)


def test_half_of_each_side_is_kept():
    x0, _, width, height = trimmed_box(framed(800, 200, 0, 0))
    assert (width, height) == (600, 240) and x0 <= 800 and x0 + width >= 1000
    x0, _, width, _ = trimmed_box(framed(1000, 0, 0, 0))
    assert (x0, width) == (600, 600)


def test_a_constant_image_is_left_alone():
    assert trimmed_box(np.full((70, 80), 3, np.uint8)) == (0, 0, 70, 80)


def literal_area(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Every pixel repeated, then whole blocks averaged."""
    height, width = image.shape
    fine = np.repeat(np.repeat(image, rows, axis=0), columns, axis=1)
    return fine.reshape(rows, height, columns, width).mean((1, 3))


def test_smaller_is_the_mean_of_the_area():
    image = np.random.default_rng(0).random((45, 31)).astype(np.float32)
    np.testing.assert_allclose(resized(image, 13), literal_area(image, 19, 13), atol=1e-6)
    np.testing.assert_allclose(resized(image, 31), image, atol=1e-7)


def test_larger_is_linear_and_keeps_its_place():
    ramp = np.tile(np.arange(40, dtype=np.float32), (50, 1))
    large = resized(ramp, 100)
    assert large.shape == (125, 100)
    np.testing.assert_allclose(large[60, 5:95], (np.arange(5, 95) + 0.5) * 0.4 - 0.5, atol=1e-4)
    assert large.min() == 0 and large.max() == 39


@pytest.mark.parametrize("side", [20, 64, 100, 300])
def test_constants_stay_and_the_aspect_ratio_is_kept(side):
    image = resized(np.full((100, 150), 0.7, np.float32), side)
    assert image.shape == (side, round(1.5 * side))
    np.testing.assert_allclose(image, 0.7, rtol=1e-5)
