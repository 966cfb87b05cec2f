"""A segmentation request leaves a segmentation, a picture and a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from asking import Context, ask
from inspection_fakes import make_ct
from refusals import refused
from segment_fakes import CT, SEGMENTS, Levels, expected

from medssl.client.volumes import read_nrrd_bytes
from medssl.images.formats.reading import read_volume


def scaled(volume):
    return (volume.array.astype(np.float32) + 1000) / 2000


def test_the_inspection_leaves_a_segmentation_a_picture_and_a_table(tmp_path):
    volume = make_ct()
    context = Context(tmp_path, volume, Levels())
    ask("segment", {"volume": {"path": "scan", "name": "Scan 7"}, "model": "m", "overlap": 0.5}, context)
    found = context.found
    assert found.files == ["segmentation.nrrd", "montage.png", "table.csv"]
    assert all((context.folder / name).stat().st_size > 100 for name in found.files)
    assert found.info["segments"] == SEGMENTS and found.info["volume"] == "Scan 7"
    labels = read_volume(context.folder / "segmentation.nrrd")
    np.testing.assert_array_equal(labels.array, expected(scaled(volume)))
    np.testing.assert_allclose(labels.ijk_to_ras, volume.ijk_to_ras, atol=1e-9)
    array, matrix = read_nrrd_bytes((context.folder / "segmentation.nrrd").read_bytes())
    np.testing.assert_array_equal(array.T, labels.array)
    np.testing.assert_allclose(matrix, volume.ijk_to_ras, atol=1e-9)
    assert [row["value"] for row in found.table] == [3, 7]


def test_the_further_channels_of_a_request_are_read_after_the_model_has_asked_for_them(tmp_path):
    volume = make_ct()
    context = Context(tmp_path, volume, Levels())
    request = {"volume": {"path": "scan", "further": [{"path": "other"}]}, "model": "m"}
    with refused("channels-not-taken", "2 images"):
        ask("segment", request, context)
    channels = [{"name": name, "modality": "CT", "normalisation": CT} for name in ("early", "late")]
    context._net.plan = replace(context._net.plan, task={**context._net.plan.task, "channels": channels})
    with refused("channels-incomplete", ["early and late", "late is missing"]):
        ask("segment", {**request, "volume": {"path": "scan"}}, context)
    ask("segment", request, context)  # the same image twice
    np.testing.assert_array_equal(read_volume(context.folder / "segmentation.nrrd").array, expected(scaled(volume)))


def test_the_uncertainty_is_a_second_file_where_it_is_asked_for(tmp_path):
    volume = make_ct()
    context = Context(tmp_path, volume, Levels())
    ask("segment", {"volume": {"path": "scan"}, "model": "m", "uncertainty": True}, context)
    assert context.found.files[-1] == "uncertainty.nrrd"
    unsure = read_volume(context.folder / "uncertainty.nrrd")
    assert unsure.shape == volume.shape and 0 <= unsure.array.min() < unsure.array.max() <= 1
    np.testing.assert_allclose(unsure.ijk_to_ras, volume.ijk_to_ras, atol=1e-9)
    assert "Uncertainty: entropy" in context.found.info["notes"][-1]
