"""Radiographs simulated from CT: a point source, the attenuation along each ray, a flat detector.

What is physical: cone-beam geometry, and line integrals of the attenuation that follows linearly from Hounsfield units at
one effective energy. What is left out: the spectrum (beam hardening), scatter, noise, and the blur of focus and detector.
A CT shows a few millimetres at best, so that fine lung texture of a real radiograph is missing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from medssl.core.errors import VolumeError
from medssl.distort.counter import compiled
from medssl.images.body import AIR, Body, isolate
from medssl.images.volume import Volume

MU_WATER = 0.0206  # 1/mm at 60 keV, the effective energy of a chest exposure (NIST XCOM: 0.206 cm²/g)
VIEWS = {"frontal": ((0, -1, 0), (1, 0, 0)), "lateral": ((1, 0, 0), (0, 1, 0))}  # beam and columns, LPS
LARGEST = 4095  # 12 bit
WHITE = 99.7  # percentile of the body's line integrals; black is half the lower quartile, which lies in the lungs
MARGIN = 10.0  # mm of air beside the body
DETECTOR = 430.0  # mm, the side of a common detector


@dataclass(frozen=True)
class Geometry:
    """How patient, source and detector stand. Lengths in mm, angles in degrees."""

    rotation: float = 0.0  # of the patient about the long axis; positive turns the front to the patient's left
    tilt: float = 0.0  # of the patient about the left-right axis; positive leans the head forward
    shift: tuple[float, float] = (0.0, 0.0)  # of the patient in the image: to the right, down
    distance: float = 1800.0  # source to detector
    gap: float = 30.0  # body to detector; more magnifies more
    pixel: float = 0.7  # side of a detector pixel
    field: tuple[float, float] | None = None  # width and height of the image on the detector; None: the whole body


@dataclass(frozen=True, eq=False)
class Camera:
    """One exposure, in the patient's LPS frame."""

    source: np.ndarray  # (3,) mm
    corner: np.ndarray  # (3,) mm, centre of the first pixel
    axes: np.ndarray  # (3, 3): columns are unit vectors along image columns, image rows, beam
    pixel: float  # mm
    shape: tuple[int, int]  # columns, rows

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points show: (N, 3) mm in LPS to (N, 2) continuous (column, row)."""
        seen = (np.asarray(points, dtype=np.float64).reshape(-1, 3) - self.source) @ self.axes
        corner = (self.corner - self.source) @ self.axes
        return (seen[:, :2] * (corner[2] / seen[:, 2:]) - corner[:2]) / self.pixel


def project(volume: Volume | Body, view: str = "frontal", geometry: Geometry = Geometry()) -> Volume:
    """A simulated radiograph of a CT, bright where much is absorbed.

    Frontal is posterior-anterior, shown with the patient's right on the image's left; lateral is left lateral, shown
    looking to the image's left. The value is the logarithm of the attenuation, which is the line integral, within
    a window as 12 bit. Beyond its first and last slice the body is taken to go on as it ends there; otherwise rays that
    leave the scan through them would darken the borders. Any order and sign of the array's axes gives the same image.

    Args:
        volume: a CT in Hounsfield units, or the body already isolated from one (which saves time for several poses).
        view: "frontal" or "lateral".
        geometry: pose and distances.

    Returns:
        (columns, rows) int16, 0...4095; the spacing is that of the detector, so that the body is magnified.

    Raises:
        VolumeError: no CT, no body, an unknown view or an impossible geometry.
    """
    body = volume if isinstance(volume, Body) else isolate(volume)
    camera = camera_of(body, view, geometry)
    values = line_integrals(body, camera)
    lungs, high = np.percentile(values[values > 0.1], (25, WHITE)) if (values > 0.1).any() else (0.0, 1.0)
    low = lungs / 2
    shown = np.rint(np.clip((values - low) / (high - low), 0, 1) * LARGEST).astype(np.int16)
    return Volume(
        shown, spacing=np.array([geometry.pixel, geometry.pixel, 1.0]), modality="CXR",
        name=f"{body.volume.name} {view} (simulated)".strip(), patient=body.volume.patient,
    )  # fmt: skip


def camera_of(body: Body, view: str, geometry: Geometry) -> Camera:
    """Stand the body before the detector.

    Raises:
        VolumeError: an unknown view, or a source inside the body.
    """
    if view not in VIEWS:
        raise VolumeError(f"view {view!r}", "is unknown", f"Use {' or '.join(VIEWS)}", code="view-unknown")
    beam, columns = np.array(VIEWS[view], dtype=np.float64)
    axes = np.stack([columns, np.array([0.0, 0.0, -1.0]), beam], axis=1)
    half = np.abs(axes.T) @ body.half
    behind = half[2] + geometry.gap  # centre of the body to the detector
    to_centre = geometry.distance - behind
    if to_centre <= half[2] or geometry.gap < 0 or geometry.pixel <= 0:
        raise VolumeError(
            f"distance {geometry.distance} mm, gap {geometry.gap} mm, pixel {geometry.pixel} mm",
            f"leave no room for a body {2 * half[2]:.0f} mm deep between source and detector",
            "Use a distance of about 1800 mm, a gap from 0 and a pixel of about 0.7 mm",
            code="source-too-near",
        )
    field = geometry.field or tuple(
        min(DETECTOR, 2 * (h + margin) * geometry.distance / to_centre) for h, margin in zip(half, (MARGIN, 0.0))
    )
    shape = (max(1, int(field[0] / geometry.pixel)), max(1, int(field[1] / geometry.pixel)))
    turned = _patient_rotation(geometry).T @ axes  # the laboratory's axes as the turned patient sees them
    off = turned[:, :2] @ np.array(geometry.shift)
    corner = body.centre - off + turned[:, 2] * behind
    corner = corner - turned[:, :2] @ ((np.array(shape) - 1) / 2 * geometry.pixel)
    return Camera(body.centre - off - turned[:, 2] * to_centre, corner, turned, geometry.pixel, shape)


def line_integrals(body: Body, camera: Camera) -> np.ndarray:
    """∫ mu dl for every pixel: (columns, rows) float64, dimensionless.

    Joseph's method (IEEE TMI 1 (1982) 192): one bilinear sample in each of the array's planes that the ray crosses, on the
    axis nearest to the beam, weighted by the path between planes; it is exact for values linear within the planes.
    """
    volume = body.volume
    main = int(np.argmax(np.abs(volume.direction.T @ camera.axes[:, 2])[:2]))
    order = [1 - main, 2, main]
    to_world = (volume.direction * volume.spacing)[:, order]
    to_voxel = np.linalg.inv(to_world)
    source, corner = to_voxel @ (camera.source - volume.origin), to_voxel @ (camera.corner - volume.origin)
    steps = to_voxel @ camera.axes[:, :2] * camera.pixel
    voxels = np.ascontiguousarray(volume.array.transpose(order))
    out = np.empty(camera.shape)

    def work(columns: range) -> None:
        _trace(voxels, source, corner, steps, to_world, columns.start, columns.stop, out)

    pieces = [range(n, min(n + 16, camera.shape[0])) for n in range(0, camera.shape[0], 16)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, pieces))
    return out * MU_WATER / 1000


@compiled
def _trace(voxels, source, corner, steps, to_world, first, last, out):  # (A, C, M) HU
    """Sums of (HU + 1000) mm along the rays of some columns of the detector; the axis C is continued at its ends."""
    across, along, planes = voxels.shape
    for u in range(first, last):
        for v in range(out.shape[1]):
            ray = corner + steps[:, 0] * u + steps[:, 1] * v - source
            ray = ray / ray[2]  # from plane to plane, in voxels
            length = np.sqrt(((to_world @ ray) ** 2).sum())
            total = 0.0
            for m in range(planes):
                a = source[0] + ray[0] * (m - source[2])
                if a < 0 or a > across - 1:
                    continue
                c = min(max(source[1] + ray[1] * (m - source[2]), 0.0), along - 1.0)
                i, k = min(int(a), across - 2), min(int(c), along - 2)
                p, q = a - i, c - k
                near = (1 - q) * voxels[i, k, m] + q * voxels[i, k + 1, m]
                far = (1 - q) * voxels[i + 1, k, m] + q * voxels[i + 1, k + 1, m]
                total += (1 - p) * near + p * far - AIR
            out[u, v] = total * length


def _patient_rotation(geometry: Geometry) -> np.ndarray:
    """(3, 3): the patient's tilt, then the turn about the vertical."""
    turn, lean = np.deg2rad(geometry.rotation), np.deg2rad(geometry.tilt)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    return about_z @ about_x
