"""DICOM objects that are no image of the patient to learn from: what they are called and how they are known."""

from __future__ import annotations

import re
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medssl.core.errors import VolumeError
from medssl.images.dicom.header import text
from medssl.images.intensity.voi_window import RADIOGRAPHS

KIND_TAGS = ("SOPClassUID", "Modality", "ImageType", "ConversionType", "SeriesDescription", "PhotometricInterpretation", "Rows", "Columns", "SamplesPerPixel", "ImagePositionPatient")  # fmt: skip
STORAGE = "1.2.840.10008.5.1.4.1.1."
LEFT_OUT = (
    (("1.2.840.10008.1.3.10",), (), "DICOMDIR"),
    ((f"{STORAGE}88.59",), ("KO",), "key object selection"),
    ((f"{STORAGE}88.",), ("SR",), "structured report"),
    ((f"{STORAGE}11.",), ("PR",), "presentation state"),
    ((f"{STORAGE}481.3",), ("RTSTRUCT",), "RTSTRUCT"),
    ((f"{STORAGE}481.5", f"{STORAGE}481.8"), ("RTPLAN",), "RTPLAN"),
    ((f"{STORAGE}481.2",), ("RTDOSE",), "RTDOSE"),
    ((f"{STORAGE}481.",), ("RTRECORD", "RTIMAGE"), "radiotherapy record or portal image"),
    ((f"{STORAGE}66.4", f"{STORAGE}66.5"), ("SEG",), "DICOM SEG"),
    ((f"{STORAGE}66", f"{STORAGE}67", f"{STORAGE}30", f"{STORAGE}4.2"), ("REG", "FID", "RWV"), "registration, map or raw data"),
    ((f"{STORAGE}104.",), ("DOC",), "document"),
    ((f"{STORAGE}9.",), ("ECG",), "waveform"),
)  # fmt: skip
SECONDARY = f"{STORAGE}7"
SCOUT = re.compile(r"\b(locali[sz]ers?|scouts?|topograms?|scanograms?|surview|3[ -]?pl(ane)?[ -]?loc)\b", re.IGNORECASE)


def kind_left_out(header: Dataset) -> str:
    """Why this file is no image of a patient; "" where it is one."""
    uid = text(header, "SOPClassUID") or text(getattr(header, "file_meta", header), "MediaStorageSOPClassUID")
    modality = text(header, "Modality")
    for classes, modalities, reason in LEFT_OUT:
        if any(uid == one.rstrip(".") or uid.startswith(f"{one.rstrip('.')}.") for one in classes):
            return reason
        if modality in modalities:
            return reason
    if (uid == SECONDARY or uid.startswith(f"{SECONDARY}.")) and not _is_image_after_all(header, modality):
        return "secondary capture"
    if not text(header, "Rows") and not text(header, "Columns") and not text(header, "SamplesPerPixel"):
        return f"file without pixels ({UID(uid).name})" if uid else "file without pixels"
    if modality in RADIOGRAPHS:
        return ""
    localiser = "LOCALIZER" in text(header, "ImageType").upper()
    return "localiser" if localiser or SCOUT.search(text(header, "SeriesDescription")) else ""


def _is_image_after_all(header: Dataset, modality: str) -> bool:
    """Many tools write plain radiographs and slices as secondary captures: a modality, a film scan or a position tells."""
    scanned = text(header, "ConversionType") in ("DF", "DI")
    grey = text(header, "PhotometricInterpretation").startswith("MONOCHROME")
    return grey and (modality in RADIOGRAPHS or scanned or bool(text(header, "ImagePositionPatient")))


def colour_refused(path: Path, header: Dataset) -> VolumeError:
    """The refusal of a picture in colours, true or of a palette."""
    colours = text(header, "PhotometricInterpretation") or "several samples a pixel"
    return VolumeError(
        path,
        f"is a colour image ({colours}): its pixels are colours, not what was measured",
        "Give grey images (PhotometricInterpretation MONOCHROME1 or MONOCHROME2)",
        code="colour-image",
    )
