from __future__ import annotations

import numpy as np
import pytest
from labelled import labels_of, volume
from PIL import Image

from medssl.evaluation.label_map_cases import measure_pairs
from medssl.evaluation.label_map_pairs import Pair
from medssl.images.formats.reading import write_volume
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.images.geometry import Turn, turned
from medssl.images.segment_classes import read_classes
from medssl.images.volume import Volume

SEGMENTS = [{"value": 255, "name": "Lung", "colour": "#ff0000"}]


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz"])
def test_a_radiographs_label_map_of_any_format_is_measured_against_a_picture(tmp_path, suffix):
    drawn = np.zeros((30, 20), np.uint8)
    drawn[3:9, 2:7] = 255
    Image.fromarray(drawn.T).save(tmp_path / "truth.png")
    found = tmp_path / f"found.{suffix}"  # NRRD of Slicer has three axes
    write_segmentation(Volume(drawn, np.ones(3), modality="LABEL"), SEGMENTS, found)
    rows = measure_pairs([Pair("x", "x", found, tmp_path / "truth.png")], read_classes("255=Lung"))
    assert [row["dice"] for row in rows] == [1.0, 1.0] and rows[0]["volume_ml"] is None


@pytest.mark.parametrize(
    "turn",
    [Turn((2, 0, 1), (True, False, False)), Turn((1, 0, 2), (False, True, True)), Turn((0, 1, 2), (True, True, True))],
)
def test_a_prediction_in_another_order_of_axes_is_measured_where_it_lies(tmp_path, turn):
    image = volume()
    truth = image.with_array(labels_of(image))
    write_volume(truth, tmp_path / "truth.nrrd")
    write_volume(turned(truth, turn), tmp_path / "found.nii.gz")
    pair = Pair("x", "x", tmp_path / "found.nii.gz", tmp_path / "truth.nrrd")
    assert [row["dice"] for row in measure_pairs([pair], read_classes("2=Dot,5=Box"))] == [1.0, 1.0, 1.0]
