from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou, compute_surface_dice
from refusals import refused
from scipy import ndimage

from medssl.evaluation.metrics.segmentation_metrics import case_metrics

NAMES = ["Anterior", "Posterior"]


def blobs(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Class numbers 0...2 of smooth random shapes that reach the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(2, *shape)), (0, *[1.5] * len(shape)))
    return np.where(noise[0] > 0.06, 1, np.where(noise[1] > 0.05, 2, 0)).astype(np.uint8)


@pytest.mark.parametrize("shape, spacing", [((17, 20, 9), (0.8, 1.1, 3.0)), ((31, 24), (0.5, 2.0, 1.0))])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_monai(shape, spacing, seed):
    predicted, truth = blobs(seed, shape), blobs(seed + 1000, shape)
    truth[: shape[0] // 2] = predicted[: shape[0] // 2]
    *rows, mean = case_metrics(predicted, truth, spacing, NAMES, tolerance_mm=1.6)
    axes = spacing[: len(shape)]
    for number, row in enumerate(rows, start=1):
        a, b = (torch.from_numpy(array == number)[None, None].float() for array in (predicted, truth))
        hd95 = compute_hausdorff_distance(a, b, include_background=True, percentile=95, spacing=axes)
        near = compute_surface_dice(a, b, class_thresholds=[1.6], include_background=True, spacing=axes)
        expected = [float(x) for x in (compute_dice(a, b), compute_iou(a, b), near, hd95)]
        assert [row[name] for name in ("dice", "iou", "surface_dice", "hd95")] == pytest.approx(expected, rel=1e-5)
    assert mean["dice"] == pytest.approx((rows[0]["dice"] + rows[1]["dice"]) / 2)


def test_distances_follow_the_spacing():
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[3:7, 3:7, 3:7] = 1
    moved = np.roll(truth, 2, axis=2)
    for spacing, distance in (((1, 1, 1), 2.0), ((1, 1, 3), 6.0), ((4, 4, 0.5), 1.0)):
        assert case_metrics(moved, truth, spacing, ["a"])[0]["hd95"] == pytest.approx(distance)


def test_volumes_are_millilitres_of_3d_maps():
    truth = np.zeros((10, 10, 10), np.uint8)
    truth[:5] = 1
    (row, mean) = case_metrics(np.ones_like(truth), truth, (2, 2, 2.5), ["a"])
    assert (row["volume_ml"], row["reference_volume_ml"], mean["volume_ml"]) == pytest.approx((10, 5, 10))
    (row, mean) = case_metrics(truth[0], truth[0], (1, 1, 1), ["a"])
    assert row["volume_ml"] is mean["reference_volume_ml"] is None


def test_classes_that_are_missing():
    nothing, something = np.zeros((6, 6), np.uint8), np.eye(6, dtype=np.uint8)
    neither, mean = case_metrics(nothing, nothing, (1, 1), ["a"])
    assert (neither["dice"], neither["iou"], neither["surface_dice"], neither["hd95"]) == (None,) * 4
    assert mean["dice"] is None and mean["hd95"] is None
    for pair in ((something, nothing), (nothing, something)):
        row, mean = case_metrics(*pair, (1, 2), ["a"])
        assert (row["dice"], row["iou"], row["surface_dice"], row["missed"]) == (0, 0, 0, 1)
        assert row["hd95"] == mean["hd95"] == pytest.approx((6**2 + 12**2) ** 0.5)  # the image's diagonal
    *_, mean = case_metrics(something, something, (1, 1), ["a", "b"])
    assert mean["dice"] == 1 and mean["hd95"] == 0 and mean["missed"] == 0


def test_finding_nothing_is_never_better_than_finding_the_wrong_place():
    truth, far = np.zeros((2, 30, 30), np.uint8)
    truth[:3, :3], far[-3:, -3:] = 1, 1
    wrong, nothing = (case_metrics(found, truth, (1, 1), ["a"])[0] for found in (far, np.zeros_like(far)))
    assert nothing["hd95"] > wrong["hd95"] and wrong["missed"] == 0


def test_maps_of_other_shape():
    with refused("grid-mismatch", names=["(3, 3, 3)", "(3, 3, 4)"]):
        case_metrics(np.zeros((3, 3, 3)), np.zeros((3, 3, 4)), (1, 1, 1), NAMES)
