"""Write segmentations as Slicer, DICOM stations and planning systems write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom
import nrrd
import numpy as np
import pydicom
from dicom_files import write_dicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medssl.images.volume import Volume


def write_layers(path: Path, like: Volume, layers: Sequence[np.ndarray], segments: Sequence[Mapping[str, str]]) -> Path:
    """A .seg.nrrd: label maps of `like`'s grid, a layer each; several stand in a list axis, as Slicer writes them."""
    steps = (like.direction * like.spacing).T
    header = {
        "space": "left-posterior-superior",
        "space directions": steps if len(layers) == 1 else np.vstack([np.full((1, 3), np.nan), steps]),
        "space origin": like.origin,
        "kinds": ["list"] * (len(layers) > 1) + ["domain"] * 3,
        "encoding": "gzip",
    }
    for n, segment in enumerate(segments):
        header |= {f"Segment{n}_{name}": value for name, value in segment.items()}
    nrrd.write(str(path), layers[0] if len(layers) == 1 else np.stack(layers), header, index_order="F")
    return path


def write_ct(folder: Path, image: Volume) -> list[Dataset]:
    """Slices of `image` along k, oblique or not."""
    folder.mkdir(parents=True, exist_ok=True)
    frame, study, written = generate_uid(), generate_uid(), []
    for k in range(image.shape[2]):
        place = image.origin + image.direction[:, 2] * image.spacing[2] * k
        path = write_dicom(
            folder / f"{k:03}.dcm", (image.array[..., k].astype(int) + 1024).astype(np.uint16),
            ImagePositionPatient=[round(float(x), 6) for x in place],
            ImageOrientationPatient=[round(float(x), 8) for x in image.direction[:, :2].T.ravel()],
            PixelSpacing=[float(image.spacing[1]), float(image.spacing[0])], SliceThickness=float(image.spacing[2]),
            RescaleSlope=1, RescaleIntercept=-1024, FrameOfReferenceUID=frame, StudyInstanceUID=study, InstanceNumber=k + 1,
            PatientName="", PatientBirthDate="", PatientSex="", StudyID="", StudyDate="", StudyTime="", AccessionNumber="",
            ReferringPhysicianName="", SeriesNumber=1, Manufacturer="",
        )  # fmt: skip
        written.append(pydicom.dcmread(path))
    return written


def write_seg(
    path: Path, slices: Sequence[Dataset], masks: np.ndarray, names: Sequence[str], kind: str = "BINARY"
) -> Path:
    """A DICOM SEG.

    Args:
        path: where to.
        slices: of the image.
        masks: (i, j, k, segment) bool or 0...1; of kind LABELMAP (i, j, k) segment numbers.
        names: of the segments.
        kind: BINARY, FRACTIONAL or LABELMAP.
    """
    code = codes.SCT.Organ
    described = [
        highdicom.seg.SegmentDescription(
            n + 1, name, code, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for n, name in enumerate(names)
    ]  # fmt: skip
    pixels = np.moveaxis(masks, 2, 0).swapaxes(1, 2)  # (k, j, i[, segment])
    pixels = pixels.astype(np.float32) if kind == "FRACTIONAL" else pixels.astype(np.uint8)
    highdicom.seg.Segmentation(
        slices, pixels, kind, described, generate_uid(), 2, generate_uid(), 1, "nobody", "nothing", "0", "0"
    ).save_as(path)
    return path


def write_structures(path: Path, structures: Mapping[str, Sequence[np.ndarray]], numbers: Sequence[int] = ()) -> Path:
    """An RTSTRUCT: by name, closed contours as (n, 3) points in LPS millimetres."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.Modality, image.PatientID, rois, drawn = "RTSTRUCT", "P7", [], []
    for number, (name, contours) in zip(numbers or range(1, 99), structures.items()):
        roi, item, listed = Dataset(), Dataset(), []
        roi.ROINumber, roi.ROIName = number, name
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [f"{value:.5f}" for value in points.ravel()]
            listed.append(contour)
        item.ReferencedROINumber, item.ContourSequence = number, listed
        rois.append(roi)
        drawn.append(item)
    image.StructureSetROISequence, image.ROIContourSequence = rois, drawn
    image.save_as(path)
    return path
