"""The sample `simulated-radiographs`: chest CTs of other samples seen as radiographs, with the places of known landmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from medssl.core.files import write_atomic
from medssl.core.tables import write_table
from medssl.datasets.samples.chest_landmarks import LANDMARKS, chest_landmarks
from medssl.images.body import Body, isolate
from medssl.images.formats.reading import read_volume
from medssl.images.projection import Geometry, camera_of, project

Advance = Callable[[int, int], None]  # (images so far, images in all); may raise to stop
PATIENTS = {  # patient: (sample, its file); the other CTs of the samples show no whole chest
    "patient-1": ("chest-ct", "images/chest-ct.nii.gz"),
    "patient-2": ("lung-ct", "images/lung1.nrrd"),
    "patient-3": ("lung-ct", "images/lung2.nrrd"),
    "patient-4": ("torso-ct", "images/torso-1.nii.gz"),
}
FRONTAL = 10  # poses of each patient; the first stands straight
IMAGES = len(PATIENTS) * (FRONTAL + 1)
SEED = 20230901


def make_radiographs(
    samples: dict[str, Path],
    folder: Path,
    licences: dict[str, str],
    advance: Advance,
    patients: dict[str, tuple[str, str]] = PATIENTS,
    frontal: int = FRONTAL,
) -> None:
    """Project every patient into `folder`: images/, catalog.csv, landmarks.csv and README.txt.

    The same CTs give the same bytes.

    Args:
        samples: folders of the fetched samples by name.
        folder: an empty folder.
        licences: licence and citation of each sample, for the README.
        advance: called with (images so far, images in all); may raise to stop.
        patients: sample and file of each patient.
        frontal: number of frontal poses of each patient; one lateral view is added.

    Raises:
        VolumeError: a CT that shows no whole chest.
    """
    (folder / "images").mkdir(parents=True)
    catalog, landmarks = [], []
    for number, (patient, (sample, file)) in enumerate(patients.items()):
        body = isolate(read_volume(samples[sample] / file, "CT"))
        points = chest_landmarks(body)
        for n, (view, geometry) in enumerate(poses(number, frontal)):
            image = f"images/{patient}_{view}_{n:02d}_simulated.png"
            landmarks += [(image, *row) for row in expose(body, points, view, geometry, folder / image)]
            source = f"simulated from CT ({sample}/{Path(file).name})"
            turn = (f"{geometry.rotation:.1f}", f"{geometry.tilt:.1f}")
            catalog.append((image, patient, view, "CXR", source, *turn, f"{geometry.pixel:g}"))
            advance(number * (frontal + 1) + n + 1, len(patients) * (frontal + 1))
    columns = ("image", "patient", "view", "modality", "source", "rotation_degrees", "tilt_degrees", "pixel_mm")
    write_table(catalog, folder / "catalog.csv", columns, line_end="\n")
    write_table(landmarks, folder / "landmarks.csv", ("image", "landmark", "x", "y"), line_end="\n")
    write_atomic(folder / "README.txt", _about(licences).encode())


def poses(number: int, frontal: int = FRONTAL) -> list[tuple[str, Geometry]]:
    """Views of patient `number`: straight, then as patients stand in practice, then lateral."""
    random = np.random.default_rng([SEED, number])
    views = [("frontal", Geometry())]
    for _ in range(frontal - 1):
        rotation, tilt = random.uniform(-8, 8), random.uniform(-6, 6)
        across, down = (
            random.uniform(-15, 15),
            random.uniform(-4, 4),
        )  # mm; the scan has little to spare above the lungs
        gap = random.uniform(10, 120)
        geometry = Geometry(
            rotation=round(rotation, 1), tilt=round(tilt, 1), shift=(round(across, 1), round(down, 1)),
            gap=round(gap, 1), distance=float(random.choice([1500.0, 1800.0, 2000.0])),
        )  # fmt: skip
        views.append(("frontal", geometry))
    return [*views, ("lateral", Geometry())]


def expose(body: Body, points: dict[str, np.ndarray], view: str, geometry: Geometry, path: Path) -> list[tuple]:
    """Write one radiograph as an 8-bit PNG; returns (landmark, x, y) of the points within the image."""
    shown = project(body, view, geometry)
    pixels = np.rint(shown.array.T * (255 / 4095)).astype(np.uint8)
    Image.fromarray(pixels).save(path, optimize=False)
    places = camera_of(body, view, geometry).pixels(np.array(list(points.values())))
    rows, columns = pixels.shape
    return [
        (name, f"{x:.2f}", f"{y:.2f}")
        for name, (x, y) in zip(points, places)
        if 0 <= x <= columns - 1 and 0 <= y <= rows - 1
    ]


def _about(licences: dict[str, str]) -> str:
    definitions = "\n".join(f"{name:<20}  {text}" for name, text in LANDMARKS.items())
    sources = "\n".join(f"* {name}: {text}" for name, text in licences.items())
    return f"""SIMULATED RADIOGRAPHS

These images were calculated from CT scans; no radiograph of these patients was taken. Each is a cone-beam ray sum: Hounsfield
units to attenuation at 60 keV, integrated from a point source to a flat detector, shown as its logarithm (bone is bright).
Beam hardening, scatter and noise are left out, and CT is coarser than a radiograph. Beyond the first and last slice the
body is continued as it ends. Not for diagnosis.

catalog.csv     image, patient, view (frontal: posterior-anterior; lateral: left), source, and how the patient was turned
landmarks.csv   image, landmark, x, y in pixels (0, 0 is the centre of the upper left pixel)

Landmarks are points found in the CT by one definition for all patients, projected like the image; _right and _left
are the patient's. Points that lie outside an image, or beyond the scan, are not listed.

{definitions}

Several images of one patient differ in pose only: keep the patients apart when you split.

Made from these samples, whose licences hold for the images too:
{sources}
"""
