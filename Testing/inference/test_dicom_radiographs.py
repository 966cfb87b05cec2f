"""Radiographs that Slicer loaded from DICOM reach the backend as the backend itself would read them."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
from MedSSLLib.scene.dicomSeries import TAGS, inWindow, modalityOf
from MedSSLLib.scene.volumeExport import INVERTED_COLOURS, uploadSteps
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from refusals import refused
from scaffold import phantoms

from medssl.images.formats.reading import read_volume
from medssl.images.radiograph import as_radiograph

DX = "1.2.840.10008.5.1.4.1.1.1.1"


@pytest.fixture
def stored() -> np.ndarray:
    """12-bit values [j, i] of a chest, with a bright marker that no window shows apart."""
    values = phantoms.pixels((160, 140), 0).astype(np.float64)
    values = 300 + 1200 * (values - values.min()) / np.ptp(values)
    values[:20, :30] = 4000
    return values.astype(np.uint16)


def write(path, stored, **tags):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DX, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID, image.Modality = DX, meta.MediaStorageSOPInstanceUID, "DX"
    image.Rows, image.Columns = stored.shape
    image.SamplesPerPixel, image.BitsAllocated, image.BitsStored, image.HighBit = 1, 16, 12, 11
    image.PixelRepresentation, image.PhotometricInterpretation = 0, "MONOCHROME2"
    for name, value in tags.items():
        setattr(image, name, value)
    image.PixelData = stored.tobytes()
    image.save_as(path)
    return path


def loaded(stored, modality="DX", window=None, inverted=False):
    """A node as Slicer keeps one: the window for display, the modality in the subject hierarchy."""
    node = slicer.util.addVolumeFromArray(stored[None], name="chest")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)
    if window:
        node.GetDisplayNode().AddWindowLevelPreset(window[1], window[0])
    if inverted:
        node.GetDisplayNode().SetAndObserveColorNodeID(INVERTED_COLOURS)
    return node


def sent(node, tmp_path):
    """What the backend gets: the image, and what is said of it."""
    ref, data = upload(node)
    path = tmp_path / "sent.nrrd"
    path.write_bytes(data)
    return read_volume(path, ref.modality), ref


def upload(node):
    """What is said of the node, and the bytes that are sent to a backend that has none of them."""
    steps, data = uploadSteps(node, loopback=True), b""
    try:
        call = next(steps)
        while True:
            if getattr(call, "method", "") == "PUT":
                data += bytes(call.body)
            call = steps.send(False)
    except StopIteration as end:
        return end.value, data


def pixels(volume, ref):
    return as_radiograph(volume, ref.view, ref.inverted).pixels


class Database:
    """Slicer's, with one file."""

    def __init__(self, **tags: str) -> None:
        self._tags = {TAGS[name]: value for name, value in tags.items()}

    def instanceValue(self, uid, tag):
        return self._tags.get(tag, "") if uid == "1.2.3" else ""


def opened(path, monkeypatch):
    """A file as Slicer opens it: through ITK's reader, known to the database."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    values = sitk.GetArrayFromImage(reader.Execute())
    header = pydicom.dcmread(path)
    tags = {name: header.get((int(tag[:4], 16), int(tag[5:], 16))) for name, tag in TAGS.items()}
    known = {name: _text(one.value) for name, one in tags.items() if one is not None}
    monkeypatch.setattr(slicer, "dicomDatabase", Database(**known), raising=False)
    node = loaded(values.reshape(values.shape[-2:]), modality="")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    return node


def _text(value) -> str:
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"WindowCenter": 900, "WindowWidth": 900},
        {"WindowCenter": 700, "WindowWidth": 500},
        {"WindowCenter": 1000, "WindowWidth": 500, "RescaleSlope": 2, "RescaleIntercept": -100},
        {"WindowCenter": [9000, 900, 500], "WindowWidth": [10, 900, 300]},
    ],
)
def test_a_radiograph_is_seen_as_the_backend_reads_its_file(scene, tmp_path, stored, monkeypatch, photometric, tags):
    """In the window that the file states, the first that shows something; bones are bright whatever the file calls bright."""
    path = write(tmp_path / "chest.dcm", stored, **tags, PhotometricInterpretation=photometric)
    file = as_radiograph(read_volume(path)).pixels
    node = opened(path, monkeypatch)
    volume, ref = sent(node, tmp_path)
    assert (ref.modality, ref.inverted) == ("CXR", False)
    assert np.abs(pixels(volume, ref) - file).max() < 4 / 500
    monkeypatch.setattr(slicer, "dicomDatabase", Database())
    again, ref = sent(node, tmp_path)
    assert np.array_equal(again.array, volume.array), "as in a scene that was saved and opened elsewhere"


def test_the_window_makes_a_difference(scene, tmp_path, stored):
    narrow, ref = sent(loaded(stored, window=(700, 500)), tmp_path)
    plain, _ = sent(loaded(stored), tmp_path)
    assert np.abs(pixels(narrow, ref) - pixels(plain, ref)).max() > 0.3


def test_a_radiograph_that_is_shown_turned_is_sent_as_a_negative(scene, tmp_path, stored):
    volume, ref = sent(loaded(stored, inverted=True), tmp_path)
    assert ref.inverted and np.array_equal(volume.array[..., 0], stored.T)


def test_a_copy_knows_what_its_source_knew(scene, tmp_path, stored, monkeypatch):
    """Cropping and cloning copy attributes, and make an item without a modality."""
    node = opened(write(tmp_path / "chest.dcm", stored, WindowCenter=900, WindowWidth=900), monkeypatch)
    copy = loaded(stored, modality="")
    copy.CopyContent(node)
    for name in ("DICOM.instanceUIDs",):
        copy.SetAttribute(name, node.GetAttribute(name))
    assert modalityOf(copy) == "CXR" and sent(copy, tmp_path)[0].array.max() < 1400


def test_values_keep_their_type(scene, tmp_path, stored):
    volume, _ = sent(loaded(stored, window=(900, 900)), tmp_path)
    assert volume.array.dtype.kind in "iu" and volume.array.dtype.itemsize <= 2
    assert inWindow(np.array([-5.0, 7.5]), (0.5, 3.5)).tolist() == [0.5, 3.5]
    assert inWindow(np.array([0, 9], np.uint8), (-20.5, 300.5)).tolist() == [0, 9]


def test_what_was_removed_while_it_waited_is_not_sent(scene, stored):
    node = loaded(stored, window=(900, 900), inverted=True)
    slicer.mrmlScene.RemoveNode(node)
    with refused("volume-removed", names="chest"):
        next(uploadSteps(node))


def test_a_volume_that_was_centred_when_it_was_read_is_sent(scene, tmp_path):
    phantoms.save(phantoms.volume("ct", (16, 16, 16)), tmp_path / "ct.nrrd")
    assert upload(slicer.util.loadVolume(str(tmp_path / "ct.nrrd")))[0].path
    centred = slicer.util.loadVolume(str(tmp_path / "ct.nrrd"))
    centred.GetStorageNode().SetCenterImage(True)
    assert not upload(centred)[0].path


def test_words_for_a_window_are_no_window(scene, tmp_path, stored, monkeypatch):
    monkeypatch.setattr(slicer, "dicomDatabase", Database(modality="DX", center="much", width="900"), raising=False)
    node = loaded(stored)
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert np.array_equal(sent(node, tmp_path)[0].array[..., 0], stored.T)


@pytest.mark.parametrize("window", [(900, 0), (9000, 10), (900, 3), (float("nan"), 900)])
def test_windows_that_show_nothing_are_left_out(scene, tmp_path, stored, window):
    assert np.array_equal(sent(loaded(stored, window=window), tmp_path)[0].array[..., 0], stored.T)


@pytest.mark.parametrize(("modality", "known"), [("CT", "CT"), ("MR", "MR"), ("CR", "CXR"), ("PT", ""), ("", "")])
def test_the_modality_is_that_of_dicom_and_windows_of_others_are_for_display(scene, tmp_path, stored, modality, known):
    node = loaded(stored, modality, window=(900, 900))
    assert modalityOf(node) == known
    if known != "CXR":
        assert np.array_equal(sent(node, tmp_path)[0].array[..., 0], stored.T)
    node.SetAttribute("MedSSL.Modality", "MR")
    assert modalityOf(node) == "MR"


def test_the_file_of_a_windowed_radiograph_is_not_taken_for_it(scene, tmp_path, stored):
    node = loaded(stored, window=(900, 900))
    phantoms.save(node, tmp_path / "saved.nrrd")
    again = slicer.util.loadVolume(str(tmp_path / "saved.nrrd"))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(again) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), again)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "DX")
    assert upload(again)[0].path
    again.GetDisplayNode().AddWindowLevelPreset(900, 900)
    volume, ref = sent(again, tmp_path)
    assert ref.sha256 and volume.array.max() < 1400
