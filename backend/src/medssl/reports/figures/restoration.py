"""A restoration of a volume as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medssl.images.geometry import reorient
from medssl.inference.volumes.restoration import Restoration
from medssl.reports.figures.montage import MontageRow, write_montage


def draw_restoration(found: Restoration, path: Path) -> None:
    """Write a PNG with three slices: original, distorted, restored and error."""
    write_montage(montage_rows(found), path)


def montage_rows(found: Restoration) -> list[MontageRow]:
    """Three axial slices of the restoration, at a quarter, half and three quarters of the depth."""
    low, high = found.info["window"]
    images = [reorient(image) for image in (found.original, found.distorted, found.restored)]
    depth, spacing, rows = images[0].shape[2], images[0].spacing, []
    for k in sorted({depth // 4, depth // 2, 3 * depth // 4}):
        original, distorted, restored = ((v.array[:, :, k].astype(np.float32) - low) / (high - low) for v in images)
        rows.append(MontageRow(original, distorted, restored, f"axial {k}", float(spacing[1] / spacing[0])))
    return rows
