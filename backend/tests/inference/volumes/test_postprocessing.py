"""What a model's file records of post-processing is done to its label maps, each class for itself, and said."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from inspection_fakes import make_ct
from scipy import ndimage
from segment_fakes import Levels

from medssl.images.volume import Volume
from medssl.inference.volumes.postprocessing import postprocess, recorded_steps, sentence, voxel_size
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


def test_small_parts_of_a_2d_image_are_shares_of_all_of_it_whatever_its_pixels():
    step = {"value": 1, "class": "A", "step": "drop", "smallest": 0.02, "unit": "share"}
    for fine in (1, 3):
        labels = np.zeros((20, 30), np.uint8)
        labels[2:6, 2:6], labels[12:15, 12:15] = 1, 1  # 16 and 9 of 600
        labels = np.kron(labels, np.ones((fine, fine), np.uint8))
        postprocess(labels, [step], voxel_size(labels.shape, (9.0, 9.0, 1.0)))
        assert (labels == 1).sum() == 16 * fine**2
    assert sentence([step]) == "parts dropped of A below 2 % of the image"


@pytest.mark.parametrize(
    ("unit", "smallest", "spacing", "learnt", "parts"),
    [
        ("share", 100 / 6400, 1.0, 1.0, 1),
        ("mm²", 100.0, 0.5, 0.4, 1),
        ("mm²", 100.0, 1.0, 0.4, 2),  # this picture states no spacing
        ("mm²", 100.0, 0.5, 1.0, 2),  # those of the training stated none
    ],
)
def test_millimetres_of_earlier_2d_models_hold_where_all_images_have_some(unit, smallest, spacing, learnt, parts):
    picture = np.full((160, 160), 60, np.int16)
    picture[40:120, 40:120], picture[132:148, 132:148] = 220, 220  # 0.25 and 0.01 of the image
    picture += np.random.default_rng(0).integers(-9, 10, picture.shape).astype(np.int16)
    step = {"value": 7, "class": "Bone", "step": "drop", "smallest": smallest, "unit": unit}
    net = Levels("2d", (64, 64), "CXR", postprocessing=[step], spacing=[learnt, learnt, 1.0])
    found = segment_image(Volume(picture, np.array([spacing, spacing, 1.0]), modality="CXR"), net)
    assert ndimage.label(found.labels.array == 7)[1] == parts
    assert any("Post-processing left out" in note and "100 mm²" in note for note in found.notes) == (parts == 2)


def test_parts_are_counted_and_dropped_without_64_bits_for_each_voxel():
    labels = np.zeros((200, 200, 160), np.uint8, order="F")
    labels[5:195, 5:195, 5:155], labels[0, 0, 0], labels[-1, -1, -1] = 1, 1, 1
    tracemalloc.start()
    postprocess(labels, [{"value": 1, "step": "drop", "smallest": 2.0}], 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (labels == 1).sum() == 190 * 190 * 150 and peak < 8 * labels.size
