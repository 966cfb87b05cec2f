"""Write small DICOM files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4", "DX": "1.2.840.10008.5.1.4.1.1.1.1"}


def series_uid(path: Path) -> str:
    """Of all files that a test writes into one folder."""
    return generate_uid(entropy_srcs=[str(path.parent)])


def write_dicom(path: Path, array: np.ndarray, modality: str = "CT", **tags) -> Path:
    """Write `array` (i, j) as stored values (uint16 or int16) with further tags by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CLASSES[modality]
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.Modality, image.PatientID, image.SeriesInstanceUID = modality, "P7", series_uid(path)
    image.Columns, image.Rows = array.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, int(array.dtype.kind == "i")
    for name, value in tags.items():
        setattr(image, name, value)
    image.PixelData = np.ascontiguousarray(array.T).tobytes()
    image.save_as(path)
    return path


def write_series(folder: Path, array: np.ndarray, positions: list[float], **tags) -> Path:
    """Write `array` (i, j, k) as HU + 1024 with intercept -1024; slice k lies at positions[k] mm; file names are shuffled."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, z in enumerate(positions):
        write_dicom(
            folder / f"{(k * 7) % 10}-{k}.dcm", (array[..., k] + 1024).astype(np.uint16),
            **{
                "ImagePositionPatient": [-5.0, 3.0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.9, 0.6],
                "RescaleSlope": 1, "RescaleIntercept": -1024, **tags,
            },
        )  # fmt: skip
    return folder


def write_enhanced(path: Path, array: np.ndarray, frames: list[dict], modality: str = "CT", **tags) -> Path:
    """Write `array` (i, j, n) as one enhanced multi-frame file.

    `frames[n]` names what is stated of frame n: position, and optionally orientation, spacing (rows, columns), slope,
    intercept, stack, time (TemporalPositionIndex) and b (DiffusionBValue).
    """
    groups = []
    for frame in frames:
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = frame["position"]
        group.PlanePositionSequence = [place]
        axes, measures, values, content = Dataset(), Dataset(), Dataset(), Dataset()
        axes.ImageOrientationPatient = frame.get("orientation", [1, 0, 0, 0, 1, 0])
        group.PlaneOrientationSequence = [axes]
        measures.PixelSpacing, measures.SliceThickness = frame.get("spacing", [0.9, 0.6]), 2.5
        group.PixelMeasuresSequence = [measures]
        values.RescaleSlope, values.RescaleIntercept = frame.get("slope", 1), frame.get("intercept", 0)
        group.PixelValueTransformationSequence = [values]
        if "stack" in frame:
            content.StackID = frame["stack"]
        if "time" in frame:
            content.TemporalPositionIndex = frame["time"]
        group.FrameContentSequence = [content]
        if "b" in frame:
            diffusion = Dataset()
            diffusion.DiffusionBValue = frame["b"]
            group.MRDiffusionSequence = [diffusion]
        groups.append(group)
    write_dicom(
        path,
        array[..., 0],
        modality=modality,
        NumberOfFrames=len(frames),
        PerFrameFunctionalGroupsSequence=groups,
        **tags,
    )
    image = pydicom.dcmread(path)
    image.PixelData = np.ascontiguousarray(np.moveaxis(array, 2, 0).transpose(0, 2, 1)).tobytes()
    image.save_as(path)
    return path
