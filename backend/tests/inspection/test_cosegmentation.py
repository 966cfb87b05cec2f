"""Co-segmentation: what is alike in all images gets one label, at full size, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from radiograph_fakes import CELL, SIDE, CellNetwork, RadiographContext, radiograph, references
from torch.nn import functional

from medssl.core.errors import ConfigError
from medssl.images.formats.reading import read_volume
from medssl.images.volume import Volume
from medssl.inference.patch_grid import embed
from medssl.inspection.anatomy import cosegmentation
from medssl.inspection.anatomy.cosegmentation import elbow, find_parts, segment
from medssl.inspection.anatomy.part_maps import majority


class BrightnessNetwork(CellNetwork):
    """A token is a bump at the cell's mean grey: patches are alike where they are equally bright."""

    dimension = 8

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        mean = functional.avg_pool2d(x[:, 0], CELL).flatten(1)  # (N, 196), standardised
        centres = torch.linspace(-2, 2, self.dimension)
        return torch.exp(-((mean[..., None] - centres) ** 2)) * self.weight


def body(seed: int, width: int = SIDE, height: int = SIDE) -> Volume:
    """A bright disc (1) and a dark one (2) on grey; the second lies lower."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height), indexing="ij")
    shift = 0.1 * np.random.default_rng(seed).uniform(-1, 1)
    image = 120 + np.random.default_rng(seed).normal(0, 4, (width, height))
    image[np.hypot(x - shift, y + 0.4) < 0.35] += 90
    image[np.hypot(x - shift, y - 0.45) < 0.35] -= 90
    spacing, origin = np.array([0.5, 0.7, 1]), np.array([3.0, 4, 0])
    return Volume(image.astype(np.int16), spacing, origin, modality="CXR", name=f"body {seed}")


def truth(image: Volume) -> np.ndarray:
    return np.digitize(image.array, (75, 165))  # 0 dark, 1 grey, 2 bright


def test_parts_have_one_label_in_all_images(tmp_path):
    images = [body(1), body(2, 210, 300), body(3, 190, 160)]
    context = RadiographContext(tmp_path, images, BrightnessNetwork())
    cosegmentation.inspect({"images": references(3), "model": "m", "parts": 3}, context)
    meaning = set()
    for n, image in enumerate(images):
        found = read_volume(context.folder / f"segmentation-{n}.nrrd")
        assert found.shape == image.shape and np.allclose(found.spacing, image.spacing)
        assert np.allclose(found.origin, image.origin) and set(np.unique(found.array)) <= {0, 1, 2, 3}
        for tissue in range(3):
            inside = found.array[truth(image) == tissue]
            label = np.bincount(inside.astype(int)).argmax()
            assert (inside == label).mean() > 0.8
            meaning.add((tissue, label))
    assert len(meaning) == 3  # the same label for the same tissue everywhere
    assert context.found.files == [
        "segmentation-0.nrrd",
        "segmentation-1.nrrd",
        "segmentation-2.nrrd",
        "montage.png",
        "parts.csv",
    ]
    for row in context.found.table:
        assert row["images"] == 3 and len({r["colour"] for r in context.found.table}) == 3
    assert all((context.folder / name).stat().st_size for name in context.found.files)


def test_label_maps_are_bytes():
    image = body(1)
    grid = embed(image, BrightnessNetwork(), 2)
    labels = segment(grid, find_parts([grid], 3))
    assert labels.dtype == np.uint8 and labels.shape == image.shape


def test_what_lies_along_the_border_is_background():
    image = body(1)
    framed = np.where(truth(image) == 0, 120, image.array).astype(np.int16)
    framed[:16], framed[-16:], framed[:, :16], framed[:, -16:] = 10, 12, 11, 14
    framed = framed + np.random.default_rng(0).integers(-8, 8, framed.shape).astype(np.int16)
    grid = embed(image.with_array(framed), BrightnessNetwork(), 2)
    labels = segment(grid, find_parts([grid], 3))
    assert (labels[:12] == 0).mean() > 0.95 and (labels[50:100, 30:60] > 0).mean() > 0.95


def test_a_part_needs_most_of_the_images():
    plain = body(1)
    grids = [embed(image, BrightnessNetwork(), 2) for image in (body(1), plain, plain)]
    only = embed(body(4).with_array(np.where(truth(body(4)) == 2, 160, body(4).array)), BrightnessNetwork(), 2)
    parts = find_parts([grids[0], only, only], 4)
    assert all(2 * parts.votes[n] > 3 for n in parts.kept)
    assert len(parts.kept) < 4


def test_the_elbow_is_where_the_curve_bends():
    assert elbow([100, 50, 20, 18, 16, 14]) == 2
    grids = [embed(body(seed), BrightnessNetwork(), 1) for seed in range(3)]
    parts = find_parts(grids)
    assert len(parts.elbow) == 10 and parts.elbow[0][0] == 3
    inertia = [value for _, value in parts.elbow]
    assert len(parts.centres) == parts.elbow[elbow(inertia)][0]


def test_the_same_seed_gives_the_same_parts():
    grids = [embed(radiograph(seed), CellNetwork(), 1) for seed in (1, 2)]
    first, second = find_parts(grids, 5, seed=3), find_parts(grids, 5, seed=3)
    assert torch.equal(first.centres, second.centres) and first.kept == second.kept


def test_majority_takes_the_most_frequent_label():
    labels = np.zeros((9, 9), np.uint8)
    labels[:, 5:] = 3
    labels[4, 2] = 7
    smooth = majority(labels, 3)
    assert smooth[4, 2] == 0 and (smooth[:, 6:] == 3).all() and (smooth[:, :4] == 0).all()


@pytest.mark.parametrize("parts", [-1, 256, 10_000])
def test_impossible_numbers_of_parts(tmp_path, parts):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    with pytest.raises(ConfigError, match=f"parts = {parts}"):
        cosegmentation.inspect({"images": references(2), "model": "m", "parts": parts}, context)
