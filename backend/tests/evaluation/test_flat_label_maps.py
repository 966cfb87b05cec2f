from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medssl.evaluation.label_map_cases import Pair, measure_pairs
from medssl.images.formats.segmentation_files import write_segmentation
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
