"""The picture shows what it is given, the right way round."""

from __future__ import annotations

import numpy as np
from PIL import Image

from medssl.reports.figures.restoration import MontageRow, write_montage


def test_columns_show_the_images_with_i_to_the_right_and_j_down(tmp_path):
    original = np.zeros((32, 48, 3), np.float32)
    original[:8, :, 1] = 1.0  # low i: a bright stripe at the left edge of the central slice
    row = MontageRow(original, np.ones_like(original), original, "cube 1")
    write_montage([row], tmp_path / "montage.png", title="Restoration")
    picture = np.asarray(Image.open(tmp_path / "montage.png").convert("L")).astype(float)
    middle = picture[picture.shape[0] // 2]
    bright = middle > 250
    assert 0.15 < bright.mean() < 0.5  # one whole tile and two stripes
    first = np.flatnonzero(bright)[0]
    stripe = int(np.argmin(bright[first:]))
    assert 0.2 < 3 * stripe / (bright.sum() - 2 * stripe) < 1.2  # a quarter of a tile wide, at its left
    assert not bright[first + stripe : first + 3 * stripe].any()


def test_error_column_is_coloured(tmp_path):
    original = np.zeros((16, 16), np.float32)
    rows = [MontageRow(original, original, original + value) for value in (0.0, 0.3)]
    write_montage(rows, tmp_path / "montage.png")
    picture = np.asarray(Image.open(tmp_path / "montage.png").convert("RGB")).astype(int)
    assert (picture.max(2) - picture.min(2)).max() > 80  # inferno, in a picture of grey tiles


def test_a_path_with_space_and_umlaut(tmp_path):
    path = tmp_path / "Bild 1 ü.png"
    write_montage([MontageRow(*[np.zeros((8, 8), np.float32)] * 3)], path)
    assert Image.open(path).format == "PNG"
