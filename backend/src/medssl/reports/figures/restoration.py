"""Restorations as pictures: original, distorted, restored and error side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medssl.images.geometry import reorient
from medssl.inference.volumes.restoration import Restoration
from medssl.reports.figures.canvas import DARK, DIM, LIGHT

COLUMNS = ("Original", "Distorted", "Restored", "|Error|")
TILE, GAP, LEFT, TOP, RIGHT, BOTTOM = 2.1, 0.06, 0.55, 0.34, 0.75, 0.08  # inches
ERROR_LIMIT = 0.5  # where the colours of the error end


@dataclass(frozen=True)
class MontageRow:
    """Three images (i, j) or (i, j, k), 0…1; of volumes the central k-slice is shown. `aspect`: spacing of j over i."""

    original: np.ndarray
    distorted: np.ndarray
    restored: np.ndarray
    label: str = ""
    aspect: float = 1.0


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


def write_montage(rows: Sequence[MontageRow], path: str | Path, title: str = "", dpi: int = 110) -> None:
    """Write a PNG: a row per image, columns original, distorted, restored and absolute error (colour-mapped).

    Slices lie as radiologists see them: i to the right (the patient's left), j down (towards the back).
    """
    shape = _slice(rows[0].original).shape
    tile_height = TILE * shape[1] * rows[0].aspect / shape[0]
    head = TOP + (0.32 if title else 0.0)
    width = LEFT + len(COLUMNS) * TILE + (len(COLUMNS) - 1) * GAP + RIGHT
    height = head + len(rows) * tile_height + (len(rows) - 1) * GAP + BOTTOM
    figure = Figure(figsize=(width, height), facecolor=DARK)
    if title:
        figure.text(LEFT / width, 1 - 0.12 / height, title, color=LIGHT, fontsize=11, weight="bold", va="top")
    for r, row in enumerate(rows):
        bottom = height - head - (r + 1) * tile_height - r * GAP
        for c, image in enumerate(_images(row)):
            left = LEFT + c * (TILE + GAP)
            axes = figure.add_axes((left / width, bottom / height, TILE / width, tile_height / height))
            _show(axes, image, row.aspect, error=c == len(COLUMNS) - 1)
            if r == 0:
                axes.set_title(COLUMNS[c], color=LIGHT, fontsize=10, pad=5)
            if c == 0 and row.label:
                axes.set_ylabel(row.label, color=DIM, fontsize=8)
    bar = figure.add_axes(((width - RIGHT + 0.12) / width, BOTTOM / height, 0.12 / width, tile_height / height))
    _show_scale(figure, bar)
    figure.savefig(path, dpi=dpi, facecolor=DARK, format="png")


def _images(row: MontageRow) -> list[np.ndarray]:
    original, distorted, restored = (_slice(image) for image in (row.original, row.distorted, row.restored))
    return [original, distorted, restored, np.abs(restored - original)]


def _slice(image: np.ndarray) -> np.ndarray:
    return image[:, :, image.shape[2] // 2] if image.ndim == 3 else image


def _show(axes: Axes, image: np.ndarray, aspect: float, error: bool) -> None:
    axes.imshow(image.T, cmap="inferno" if error else "gray", vmin=0, vmax=ERROR_LIMIT if error else 1, aspect=aspect)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _show_scale(figure: Figure, axes: Axes) -> None:
    """The colours of the error, beside the last row."""
    axes.imshow(np.linspace(1, 0, 256)[:, None], cmap="inferno", aspect="auto", extent=(0, 1, 0, ERROR_LIMIT))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(colors=DIM, labelsize=7, length=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
