"""Images of the scenarios: real ones where they lie beside the checkout, phantoms elsewhere; small declared sets of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import slicer
import vtk
from scaffold import phantoms
from vtk.util.numpy_support import numpy_to_vtk

SETS = {"findings": ("Effusion", "Infiltration"), "others": ("Cardiomegaly", "Mass", "Nodule")}
IMAGES = 16  # of a declared set
CTS = ("ct/lidc-0314-chest.nii.gz", "ct/crlm-ct-1004-abdomen.nii.gz", "ct-mr-sarcoma/sts-001/ct.nii.gz")
RADIOGRAPHS = ("00000061_012", "00000150_002")
PATIENTS = ("sts-001", "sts-002", "sts-003")


def volumes(stage, count: int = 3) -> list:
    """CT volumes of different patients."""
    if stage.data is not None:
        return [_load(stage.data / path, f"CT {number + 1}") for number, path in enumerate(CTS[:count])]
    nodes = [phantoms.volume(f"CT {n + 1}", (96, 80, 64 + 8 * n), oblique=n == 1) for n in range(count)]
    slicer.util.setSliceViewerLayers(background=nodes[-1], fit=True)
    return nodes


def radiographs(stage) -> list:
    """Two radiographs of different patients."""
    folder = radiographFolder(stage)
    names = RADIOGRAPHS if stage.data is not None else ("phantom-00", "phantom-01")
    return [_load(folder / f"{name}.png", name) for name in names]


def radiographFolder(stage) -> Path:
    """A folder of radiographs as PNG files."""
    if stage.data is not None:
        return stage.data / "cxr-nih" / "images"
    folder = stage.work / "radiographs"
    for number in range(2 * IMAGES):
        path = folder / f"phantom-{number:02d}.png"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            _writePng(phantoms.pixels((160, 150 + 4 * (number % 3)), number) // 16, path)
    return folder


def searchFolder(stage, count: int = 12) -> Path:
    """A folder of few radiographs, the one that is asked about among them."""
    source, folder = radiographFolder(stage), stage.work / "search"
    folder.mkdir(exist_ok=True)
    for path in sorted(source.glob("*.png"))[:count]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def segmented(stage) -> list[tuple]:
    """Volumes of three patients, each with its segmentation."""
    if stage.data is None:
        return [
            phantoms.segmented(f"{name} image", ("tumour",), (40, 40, 40), n == 1) for n, name in enumerate(PATIENTS)
        ]
    pairs = []
    for name in PATIENTS:
        folder = stage.data / "ct-mr-sarcoma" / name
        image = _load(folder / "mr-t1.nii.gz", f"{name} image")
        pairs.append((image, _segmentation(folder / "mr-t1-tumour.nii.gz", f"{name} tumour", image)))
        image.SetAttribute("MedSSL.Patient", name)
    return pairs


def declaredSet(stage, name: str) -> Path:
    """A dataset spec in a YAML file, with its table and its images beside it."""
    source, folder, classes = radiographFolder(stage), stage.work / "sets" / name, SETS[name]
    folder.mkdir(parents=True, exist_ok=True)
    rows = _labelledRows(stage, classes)
    for image, *_others in rows:
        (folder / image).write_bytes((source / image).read_bytes())
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "patient", *classes))
        writer.writerows(rows)
    spec = folder / f"{name}.yaml"
    lines = (f"name: {name}", "tables: [labels.csv]", "kind: multi-label", f"labels: [{', '.join(classes)}]")
    spec.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return spec


def _labelledRows(stage, classes) -> list[tuple]:
    """Image, patient and labels of some radiographs, with each class both there and absent."""
    if stage.data is None:
        return [
            (f"phantom-{n:02d}.png", f"p{n // 2}", *((n >> bit) & 1 for bit in range(len(classes))))
            for n in range(IMAGES)
        ]
    with (stage.data / "cxr-nih" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    positive = [row for row in rows if any(row[name] == "1" for name in classes)]
    negative = [row for row in rows if not any(row[name] == "1" for name in classes)]
    chosen = [*positive[: 3 * IMAGES // 2], *negative[: IMAGES // 2]]
    return [(row["image"], row["patient"], *(row[name] for name in classes)) for row in chosen]


def _load(path: Path, name: str):
    node = slicer.util.loadVolume(str(path), {"name": name, "singleFile": True})
    node.SetName(name)
    return node


def _segmentation(path: Path, name: str, image):
    """A segmentation node of a label map with the image's voxels; made here, as the stand-in reads no segmentations."""
    labels = _load(path, "labels")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(image)
    segment = phantoms.addSegment(node, "tumour")
    array = (slicer.util.arrayFromVolume(labels) > 0).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segment, labels)
    slicer.mrmlScene.RemoveNode(labels)
    slicer.util.setSliceViewerLayers(background=image, fit=True)
    return node


def _writePng(array: np.ndarray, path: Path) -> None:
    """An 8-bit grey picture; rows run from the top."""
    rows, columns = array.shape
    data = np.ascontiguousarray(array[::-1].clip(0, 255).astype(np.uint8))
    picture = vtk.vtkImageData()
    picture.SetDimensions(columns, rows, 1)
    picture.GetPointData().SetScalars(numpy_to_vtk(data.ravel(), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(picture)
    writer.Write()
