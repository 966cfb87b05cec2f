"""Pictures of cases show slices as readers look at them, however their files lie."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from medssl.images.geometry import reorient, turn_to_read
from medssl.images.thumbnail import thumbnail_of
from medssl.images.volume import Volume
from medssl.reports.figures.case_pictures import draw_agreement


def marked(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    """In LPS: bright towards the patient's right, front and head."""
    array = np.zeros((16, 16, 16), np.float32)
    array[:5, :5, 11:] = 1.0
    return Volume(array, spacing=np.array(spacing))


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)


@pytest.mark.parametrize("stored", ["LPS", "RAS", "PSR", "ASL", "IRA"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 4.0, 1.0), (3.0, 1.0, 1.0)])
def test_thumbnails_are_the_same_in_any_storage(stored: str, spacing: tuple[float, float, float]):
    volume = marked(spacing)
    assert thumbnail_of(reorient(volume, stored)) == thumbnail_of(volume)


@pytest.mark.parametrize(("spacing", "marked_slice"), [((1, 1, 1), 15), ((1, 4, 1), 0), ((3, 1, 1), 0)])
def test_slices_are_of_the_plane_they_were_taken_in_and_upright(spacing: tuple[float, float, float], marked_slice: int):
    volume = reorient(marked(spacing), "RAS")
    seen = turn_to_read(volume).apply(volume.array)[:, :, marked_slice]  # by the head, at the front, at the right
    assert seen[:5, :5].all() and seen.sum() == 25  # at the upper left: right or front, and front or head


@pytest.mark.parametrize("stored", ["LPS", "RAS", "PSR"])
def test_agreement_is_drawn_alike_in_any_storage(stored: str):
    truth = marked().with_array(marked().array.astype(np.uint8))
    predicted = np.roll(truth.array, 2, axis=0)
    image = np.linspace(0, 1, 16**3, dtype=np.float32).reshape(16, 16, 16)
    whole = draw_agreement(predicted, truth, image)
    other = [reorient(truth.with_array(array), stored).array for array in (predicted, image)]
    assert np.array_equal(picture(draw_agreement(other[0], reorient(truth, stored), other[1])), picture(whole))
