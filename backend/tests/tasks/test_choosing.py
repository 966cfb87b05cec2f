"""Post-processing is chosen only where validation says that it helps; a temperature makes probabilities hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from medssl.images.segment_classes import Segment, SegmentClasses
from medssl.inference.volumes.postprocessing import voxel_size
from medssl.inference.volumes.uncertainty import VoxelSample
from medssl.tasks.segmentation.calibrating import VOXELS, calibrate, calibration_errors, voxels_near_labels
from medssl.tasks.segmentation.choosing import choose_steps

CLASSES = SegmentClasses((Segment(2, "Left"), Segment(5, "Right")))


def truth() -> np.ndarray:
    labels = np.zeros((24, 20, 12), np.uint8)
    labels[2:10, 2:12, 2:10], labels[14:22, 2:12, 2:10] = 2, 5
    return labels


def chosen(spoil, count: int = 4):
    """The steps for so many cases, whose answers are the truth as `spoil(labels, number)` leaves it."""

    def cases():
        for number in range(count):
            predicted = truth()
            spoil(predicted, number)
            yield predicted, truth(), 2.0

    return choose_steps(cases, CLASSES)


def test_a_crumb_in_every_case_is_dropped_of_its_class_alone():
    def spoil(labels, number):
        labels[0:2, 14:19, number : number + 4] = 5  # 40 voxels, 80 mm³, of 640

    (step,) = chosen(spoil)
    assert (step["value"], step["class"], step["step"]) == (5, "Right", "largest")
    assert (
        step["dice_before"] == pytest.approx(2 * 640 / (640 + 680)) and step["dice_after"] == 1 and step["cases"] == 4
    )


def test_two_true_parts_rule_out_the_largest_but_not_the_drop_of_small_ones():
    def spoil(labels, number):
        labels[0:2, 18:20, 0:3] = 2

    def cases():
        for number in range(3):
            true = truth()
            true[14:22, 14:19, 2:10] = 2  # a second part of the class, half as large
            predicted = true.copy()
            spoil(predicted, number)
            yield predicted, true, 1.0

    (step,) = choose_steps(cases, CLASSES)
    assert (step["step"], step["value"]) == ("drop", 2) and 12 < step["smallest"] <= 0.2 * 960


def test_sizes_in_2d_images_are_shares_of_the_area_whatever_the_number_of_pixels():
    def cases():
        for fine in (1, 2, 4):
            true = np.zeros((30, 30), np.uint8)
            true[2:10, 2:12], true[16:24, 2:10] = 2, 2  # 144 of 900
            predicted = true.copy()
            predicted[27:29, 25:28] = 2  # 6 of 900
            predicted, true = (np.kron(labels, np.ones((fine, fine), np.uint8)) for labels in (predicted, true))
            yield predicted, true, voxel_size(true.shape, (1.0, 1.0, 1.0))

    (step,) = choose_steps(cases, CLASSES)
    assert (step["step"], step["unit"], step["dice_after"]) == ("drop", "share", 1.0)
    assert step["smallest"] == pytest.approx(0.05 * 144 / 900)


def test_holes_and_crumbs_are_mended_together():
    def spoil(labels, number):
        labels[4:8, 4:10, 4:8] = 0
        labels[12:14, 16:20, 0:8] = 2

    steps = chosen(spoil)
    assert [one["step"] for one in steps if one["value"] == 2] == ["largest", "fill"]


@pytest.mark.parametrize(
    "how", ["nothing to mend", "too small a gain", "harms more cases than it helps", "too few cases"]
)
def test_nothing_is_chosen_where_it_does_not_help(how):
    def spoil(labels, number):
        if how == "too small a gain":
            labels[0, 19, 0:3] = 5
        elif how == "harms more cases than it helps" and number:
            labels[17:18] = 0  # of the true class two parts are found, and the largest alone would lose one
        elif how != "nothing to mend":
            labels[0:2, 14:20] = 5

    assert chosen(spoil, 2 if how == "too few cases" else 5) == []


def test_a_class_found_where_there_is_none_counts_as_a_failure_to_be_mended():
    def cases():
        for _ in range(3):
            true, predicted = truth(), truth()
            true[true == 5] = 0
            predicted[predicted == 5] = 0
            predicted[20:22, 2:4, 2:4] = 5
            yield predicted, true, 1.0
        yield truth(), truth(), 1.0

    (step,) = choose_steps(cases, CLASSES)
    assert (step["value"], step["step"], step["dice_before"], step["dice_after"]) == (5, "drop", 0.25, 1.0)


def answers(temperature: float, count: int = 20_000) -> VoxelSample:
    """Voxels whose class is drawn by the softmax of logits, and a network that says `temperature` times as much."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (count, 3))
    drawn = (special.softmax(logits, axis=1).cumsum(1) < rng.random((count, 1))).sum(1)
    return VoxelSample(np.empty(0, np.int16), [logits.astype(np.float32) * temperature], [drawn])


@pytest.mark.parametrize("boldness", [0.5, 3.0])
def test_the_temperature_undoes_what_the_network_overstates(boldness):
    found = calibrate([answers(boldness)])
    assert found["temperature"] == pytest.approx(boldness, rel=0.06) and found["voxels"] == 20_000
    assert found["ece_before"] > 0.05 and found["ece_after"] < 0.02
    again = calibration_errors([answers(boldness)], found["temperature"])
    assert again["ece_after"] == found["ece_after"]


def test_nothing_is_calibrated_where_nothing_is_labelled():
    rng = np.random.default_rng(0)
    assert calibrate([]) == {} and (voxels_near_labels(np.zeros((8, 8, 8), np.uint8), rng).asked == -1).all()


def test_voxels_are_in_and_near_the_labels_with_their_true_class():
    labels = np.zeros((60, 50, 40), np.uint8)
    labels[10:20, 10:20, 10:20], labels[14:18, 14:18, 14:18] = 1, 2
    asked = voxels_near_labels(labels, np.random.default_rng(0)).asked
    assert (asked >= 0).sum() == min(VOXELS, (asked >= 0).sum()) > 1000
    assert (asked[asked >= 0] == labels[asked >= 0]).all() and set(np.unique(asked)) == {-1, 0, 1, 2}
    assert (asked[25:] == -1).all() and (asked[:, :, 25:] == -1).all()
