"""Radiographs that Slicer loaded from DICOM reach the backend as the backend itself would read them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from MedSSLLib.scene.dicomSeries import modalityOf
from MedSSLLib.scene.volumeExport import INVERTED_COLOURS, uploadSteps
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
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
    """As Slicer's reader leaves it: values as stored, the window kept for display, the modality in the subject hierarchy."""
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


@pytest.mark.parametrize("inverted", [False, True])
def test_a_radiograph_is_seen_in_the_window_that_its_file_states(scene, tmp_path, stored, inverted):
    tags = {"WindowCenter": 900, "WindowWidth": 900, "PhotometricInterpretation": f"MONOCHROME{2 - inverted}"}
    file = as_radiograph(read_volume(write(tmp_path / "chest.dcm", stored, **tags))).pixels
    volume, ref = sent(loaded(stored, window=(900, 900), inverted=inverted), tmp_path)
    assert (ref.modality, ref.inverted) == ("CXR", inverted)
    assert np.abs(pixels(volume, ref) - file).max() < 2 / 900
    plain, without = sent(loaded(stored, inverted=inverted), tmp_path)
    assert np.abs(pixels(plain, without) - file).max() > 0.3, "the window makes no difference here"


def test_of_several_windows_the_first_that_shows_something_counts(scene, tmp_path, stored, monkeypatch):
    """Slicer keeps no list of windows, its database does."""
    tags = {"0028,1050": "9000\\900\\500", "0028,1051": "10\\900\\300"}

    class Database:
        def instanceValue(self, uid, tag):
            return tags.get(tag, "") if uid == "1.2.3" else ""

    monkeypatch.setattr(slicer, "dicomDatabase", Database(), raising=False)
    node = loaded(stored)
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    path = write(tmp_path / "chest.dcm", stored, WindowCenter=[9000, 900, 500], WindowWidth=[10, 900, 300])
    volume, ref = sent(node, tmp_path)
    assert np.abs(pixels(volume, ref) - as_radiograph(read_volume(path)).pixels).max() < 2 / 900
    tags["0028,1050"] = "much"
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
