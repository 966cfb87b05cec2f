"""What a model's file records of post-processing is done to its label maps, each class for itself, and said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from inspection_fakes import make_ct
from segment_fakes import Levels

from medssl.inference.volumes.postprocessing import postprocess, recorded_steps, sentence
from medssl.inference.volumes.segmenter import segment_image


def rings() -> np.ndarray:
    """A hollow box of 1 with a small 2 and air in it, a crumb of 1 outside, a solid box of 2."""
    labels = np.zeros((20, 12, 10), np.uint8)
    labels[1:9, 1:9, 1:9], labels[3:7, 3:7, 3:7], labels[4, 4, 4] = 1, 0, 2
    labels[12, 10, 9], labels[12:16, 2:6, 2:6] = 1, 2
    return labels


def test_holes_are_background_inside_and_other_classes_stay():
    labels = rings()
    postprocess(labels, [{"value": 1, "step": "fill"}], 1.0)
    expected = rings()
    expected[3:7, 3:7, 3:7], expected[4, 4, 4] = 1, 2
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(("voxel", "left"), [(2.0, 448), (3.0, 449)])
def test_small_parts_are_measured_in_millimetres(voxel, left):
    labels = rings()
    postprocess(labels, [{"value": 1, "step": "drop", "smallest": 3.0}], voxel)
    assert (labels == 1).sum() == left and (labels == 2).sum() == 65


def test_steps_follow_each_other_each_with_its_class_alone():
    labels = rings()
    steps = [{"value": 2, "class": "B", "step": "largest"}, {"value": 1, "class": "A", "step": "fill"}]
    postprocess(labels, steps, 1.0)
    assert (labels == 2).sum() == 64 and (labels == 1).sum() == 8**3 + 1  # the crumb of 2 became a hole, and was filled
    assert sentence([*steps, {"value": 1, "class": "A", "step": "drop", "smallest": 12.5}]) == (
        "only the largest part of B; holes filled of A; parts dropped of A below 12.5 mm³"
    )


def test_a_model_carries_out_what_its_file_records_and_says_so():
    array = np.full((20, 20, 8), -900, np.int16)
    array[2:8, 2:8, 2:6], array[14:16, 14:16, 2:4] = 900, 900
    volume = replace(make_ct((20, 20, 8)), array=array, spacing=np.array([1.0, 1.0, 2.0]))
    step = {"value": 7, "class": "Bone", "step": "drop", "smallest": 20.0, "dice_before": 0.8, "dice_after": 0.9}
    found = segment_image(volume, Levels(postprocessing=[step]))
    assert (found.labels.array == 7).sum() == 144 and found.table[1]["voxels"] == 144
    assert "parts dropped of Bone below 20 mm³" in found.notes[-1]
    smaller = segment_image(volume, Levels(postprocessing=[{**step, "smallest": 15.0}]))
    assert (smaller.labels.array == 7).sum() == 144 + 8


def test_the_setting_of_earlier_models_is_one_step_of_each_class():
    plan = Levels(largest_component=True).plan
    assert [(step["value"], step["step"]) for step in recorded_steps(plan.task)] == [(3, "largest"), (7, "largest")]
