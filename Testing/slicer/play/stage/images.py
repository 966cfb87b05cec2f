"""Images of the scenarios: real ones where they lie beside the checkout, phantoms elsewhere; small declared sets of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import slicer
from scaffold import phantoms

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
    return [_load(path, path.stem) for path in radiographFiles(stage)[:2]]


def radiographFiles(stage) -> list[Path]:
    """Files of radiographs; the first two are of different patients."""
    if stage.data is not None:
        folder = stage.data / "cxr-nih" / "images"
        first = [folder / f"{name}.png" for name in RADIOGRAPHS]
        return first + [path for path in sorted(folder.glob("*.png")) if path not in first]
    files = [stage.work / "radiographs" / f"phantom-{number:02d}.nrrd" for number in range(IMAGES)]
    for number, path in enumerate(files):
        if not path.exists():  # no PNG: the stand-in reads none
            node = phantoms.radiograph(path.stem, (160, 150 + 4 * (number % 3)), number)
            phantoms.save(node, path)
            slicer.mrmlScene.RemoveNode(node)
    return files


def searchFolder(stage, count: int = 12) -> Path:
    """A folder of few radiographs, the one that is asked about among them."""
    return _copied(radiographFiles(stage)[:count], stage.work / "search")


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
    classes, files = SETS[name], {path.name: path for path in radiographFiles(stage)}
    rows = _labelledRows(stage, classes)
    folder = _copied([files[image] for image, *_others in rows], stage.work / "sets" / name)
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
            (path.name, f"p{n // 2}", *((n >> bit) & 1 for bit in range(len(classes))))
            for n, path in enumerate(radiographFiles(stage))
        ]
    with (stage.data / "cxr-nih" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    positive = [row for row in rows if any(row[name] == "1" for name in classes)]
    negative = [row for row in rows if not any(row[name] == "1" for name in classes)]
    chosen = [*positive[: 3 * IMAGES // 2], *negative[: IMAGES // 2]]
    return [(row["image"], row["patient"], *(row[name] for name in classes)) for row in chosen]


def _copied(files, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


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
