"""Segmentations lie where the image lies, in the classes' values, whatever the form; wrong images are refused."""

from __future__ import annotations

from dataclasses import replace

import nrrd
import numpy as np
import pytest
import torch
from inspection_fakes import Identity, make_ct
from radiograph_fakes import radiograph
from refusals import refused
from segment_fakes import SEGMENTS, Levels, expected

from medssl.core.errors import CancelledError
from medssl.core.geometry import UNRECORDED, Geometry
from medssl.images.formats.segmentation_files import write_segmentation
from medssl.images.volume import Volume
from medssl.inference.volumes.postprocessing import postprocess
from medssl.inference.volumes.segmenter import segment_image

KINDS = ("Scene", "SegmentationNode", "SegmentationStorageNode")


def scaled(volume):
    return (volume.array.astype(np.float32) + 1000) / 2000


@pytest.mark.parametrize(
    ("form", "size", "context"), [("3d", (16, 16, 8), 0), ("2d", (16, 16), 0), ("2.5d", (16, 16), 1)]
)
def test_values_and_geometry_are_those_of_classes_and_image(form, size, context):
    volume, net = make_ct(), Levels(form, size, context=context, spacing=[0.7, 0.8, 2.5], mirrored=True)
    found = segment_image(volume, net, mirror=form == "3d")
    np.testing.assert_array_equal(found.labels.array, expected(scaled(volume)))
    assert found.labels.array.dtype == np.uint8
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_array_equal(getattr(found.labels, name), getattr(volume, name))
    voxel = 0.7 * 0.8 * 2.5 / 1000
    for row, one in zip(found.table, SEGMENTS):
        count = int((expected(scaled(volume)) == one["value"]).sum())
        assert (row["class"], row["value"], row["voxels"]) == (one["name"], one["value"], count) and count > 0
        assert row["volume_ml"] == pytest.approx(count * voxel) and row["area_cm2"] is None
    assert found.notes == ()


def test_a_radiograph_is_segmented_inside_its_borders_at_full_size():
    rows, columns = 220, 180
    picture = np.full((rows, columns), 60, np.int16)
    picture[60:160, 40:140] = 130  # class 1: 130 / 255
    picture[100:140, 60:120] = 220  # class 2
    picture += np.random.default_rng(0).integers(-9, 10, picture.shape).astype(np.int16)
    picture[:20], picture[:, -16:] = 0, 0  # collimation
    image = Volume(picture.T.copy(), np.array([0.5, 0.25, 1.0]), modality="CXR", name="chest")
    found = segment_image(image, Levels("2d", (112, 112), "CXR"))
    labels = found.labels.array.T
    assert labels.shape == picture.shape and not labels[:20].any() and not labels[:, -16:].any()
    truth = expected(picture / 255)
    inner = np.ones_like(truth, bool)  # but at the edges, which resizing blurs
    for edge in (60, 160, 100, 140):
        inner[edge - 4 : edge + 4] = False
    for edge in (40, 140, 60, 120):
        inner[:, edge - 4 : edge + 4] = False
    np.testing.assert_array_equal(labels[inner], truth[inner])
    assert found.table[0]["area_cm2"] == pytest.approx(found.table[0]["voxels"] * 0.125 / 100)
    assert found.table[0]["volume_ml"] is None and "borders left out" in found.notes[0]
    unknown = segment_image(replace(image, spacing=np.ones(3)), Levels("2d", (112, 112), "CXR"))
    assert unknown.table[0]["area_cm2"] is None


def test_a_volume_is_a_radiograph_only_by_a_view():
    net, volume = Levels("2d", (64, 64), "CXR"), make_ct((80, 90, 8))
    with refused("not-2d", names="scan of shape"):
        segment_image(replace(volume, modality="CXR"), net)
    found = segment_image(replace(volume, modality="CXR"), net, view="k:3")
    assert found.labels.shape == (80, 90)


def test_only_the_largest_part_is_kept_where_the_model_says_so():
    array = np.full((20, 20, 8), -900, np.int16)
    array[2:8, 2:8, 2:6], array[14:16, 14:16, 2:4], array[0, 0, 0] = 900, 900, -100
    volume = replace(make_ct((20, 20, 8)), array=array)
    alone = segment_image(volume, Levels(largest_component=True)).labels.array
    both = segment_image(volume, Levels()).labels.array
    assert (both == 7).sum() == 144 + 8 and (alone == 7).sum() == 144
    assert (alone == 3).sum() == (both == 3).sum() == 1


def test_components_touch_by_faces_and_empty_classes_stay_empty():
    labels = np.zeros((6, 6, 1), np.uint8)
    labels[0:2, 0:2], labels[2, 2], labels[5, 5] = 1, 1, 4
    postprocess(labels, [{"value": value, "step": "largest"} for value in (1, 2, 4)], 1.0)
    assert (labels == 1).sum() == 4 and (labels == 4).sum() == 1


def test_labels_may_go_into_a_mapped_file(tmp_path):
    volume = make_ct()
    out = np.lib.format.open_memmap(tmp_path / "labels.npy", "w+", np.uint8, volume.shape)
    found = segment_image(volume, Levels(), out=out)
    assert found.labels.array is out
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), expected(scaled(volume)))


def test_values_above_a_byte_need_sixteen_bits():
    segments = [{**SEGMENTS[0], "value": 300}, SEGMENTS[1]]
    found = segment_image(make_ct(), Levels(segments=segments)).labels.array
    assert found.dtype == np.int16 and set(np.unique(found)) == {0, 300, 7}


def test_other_spacing_and_an_empty_answer_are_told():
    volume = make_ct()
    dark = replace(volume, array=np.minimum(volume.array, -500))
    net = Levels(geometry=Geometry("LPS", finest=(0.7, 0.8, 1.0), coarsest=(0.8, 0.8, 1.0), tilt=30.0))
    notes = segment_image(dark, net).notes
    assert len(notes) == 2 and "0.7 x 0.8 x 2.5 mm" in notes[0] and "0.7 x 0.8 x 1 to 0.8 x 0.8 x 1 mm" in notes[0]
    assert "Nothing was found" in notes[1]


def test_a_model_that_records_no_geometry_says_so_and_still_warns_of_another_spacing():
    net = Levels(geometry=Geometry(), spacing=[0.7, 0.8, 1.0])
    notes = segment_image(make_ct(), net).notes
    assert notes[0] == UNRECORDED and "0.7 x 0.8 x 2.5 mm" in notes[1] and len(notes) == 2
    assert segment_image(make_ct(), Levels(geometry=Geometry())).notes == (UNRECORDED,)


def test_wrong_models_images_and_overlaps_are_refused():
    volume = make_ct()
    with refused("model-unsuitable", names="'genesis'"):
        segment_image(volume, Identity())
    with refused("model-unsuitable", names="task 'classification'"):
        net = Levels()
        net.plan = replace(net.plan, task={"name": "classification"})
        segment_image(volume, net)
    with refused("not-3d"):
        segment_image(radiograph(), Levels())
    with refused("not-3d"):
        segment_image(radiograph(), Levels("2.5d", (16, 16), context=1))
    with refused("modality-mismatch", names="CT"):
        segment_image(replace(volume, modality="MR"), Levels())
    with refused("setting-out-of-range", names="overlap = 0.95"):
        segment_image(volume, Levels(), overlap=0.95)


def test_progress_may_stop_it():
    def stop(fraction, message):
        raise CancelledError()

    net = Levels()
    with pytest.raises(CancelledError):
        segment_image(make_ct((48, 16, 64)), net, progress=stop)
    assert net.calls == 1


def test_the_file_tells_slicer_names_colours_and_terminology(tmp_path):
    found = segment_image(make_ct(), Levels())
    write_segmentation(found.labels, found.segments, tmp_path / "a.nrrd")
    header = nrrd.read_header(str(tmp_path / "a.nrrd"))
    assert (header["Segment0_Name"], header["Segment0_LabelValue"]) == ("Fat", "3")
    assert header["Segment1_Color"].split()[0] == f"{0xEE / 255:.6g}"
    assert header["Segment1_Tags"] == f"TerminologyEntry:{SEGMENTS[1]['terminology']}|"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.nrrd"]


def test_slicer_reads_it_as_a_segmentation(tmp_path):
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    volume = make_ct()
    found = segment_image(volume, Levels())
    write_segmentation(found.labels, found.segments, tmp_path / "a.seg.nrrd")
    scene, node, storage = (getattr(slicer, f"vtkMRML{kind}")() for kind in KINDS)
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    assert storage.ReadData(node)
    parts = [node.GetSegmentation().GetNthSegment(n) for n in range(node.GetSegmentation().GetNumberOfSegments())]
    assert [(part.GetName(), part.GetLabelValue()) for part in parts] == [("Fat", 3), ("Bone", 7)]
    assert parts[0].GetColor() == pytest.approx((1.0, 0.8, 0.0), abs=1e-5)


@torch.no_grad()
def test_a_saved_model_segments_as_the_one_that_was_saved(tmp_path):
    from medssl.networks.downstream.unet_segmenter import UNetSegmenter
    from medssl.networks.weights.weight_files import load_weights, save_weights

    torch.manual_seed(0)
    net = UNetSegmenter(4, 1, 3).eval()
    for parameter in net.out_tr.parameters():
        parameter.mul_(20)
    plan = replace(Levels().plan, method="unet-segmenter", network=net.arguments)
    save_weights(tmp_path / "model.safetensors", net.state_dict(), plan)
    net.plan = plan
    volume = make_ct()
    again = segment_image(volume, load_weights(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(again.labels.array, segment_image(volume, net).labels.array)
