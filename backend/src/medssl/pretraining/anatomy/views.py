"""Two views of each radiograph, and where the cells of either lie in the other: by affine maps, or on PEAC's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from medssl.distort.affine import AffineViews, cell_places, mapped_cells
from medssl.distort.views import GridViews


class Pair(NamedTuple):
    """`first`, `second` (N, 1, S, S); `forth` (N, T, 2): places of the first view's cells in the second, in its cells, `back` the
    other way round; `forth_valid`, `back_valid` (N, T) bool: inside that view and the image."""

    first: Tensor
    second: Tensor
    forth: Tensor
    back: Tensor
    forth_valid: Tensor
    back_valid: Tensor


@dataclass(frozen=True)
class AnatomyViews:
    """Both views as the network sees them, `distorted` and `distorted_second`, and as they were, `original` and `second`; the rest
    as in `Pair`."""

    distorted: Tensor
    distorted_second: Tensor
    original: Tensor
    second: Tensor
    forth: Tensor
    back: Tensor
    forth_valid: Tensor
    back_valid: Tensor


def affine_pair(views: AffineViews, images: Tensor, extent: Tensor, cells: int, generator: torch.Generator) -> Pair:
    """Two independent affine views of whole radiographs (N, 1, side, side) of `extent` (N, 2) short sides."""
    first, second = views.draw(extent, generator), views.draw(extent, generator)
    forth, forth_valid = mapped_cells(first, second, (cells, cells))
    back, back_valid = mapped_cells(second, first, (cells, cells))
    return Pair(views.apply(images, first), views.apply(images, second), forth, back, forth_valid, back_valid)


def grid_pair(views: GridViews, images: Tensor, generator: torch.Generator) -> Pair:
    """Two crops of whole cells from grids (N, 1, G, G): shared cells show the same pixels."""
    drawn = views.draw(images, generator)
    shift = (drawn.first - drawn.second).float()[:, None]  # (N, 1, 2)
    every = cell_places((views.cells, views.cells), images.device)
    forth, back = every + shift, every - shift
    forth_valid, back_valid = (((place >= 0) & (place < views.cells)).all(2) for place in (forth, back))
    first, second = views.crop(images, drawn.first), views.crop(images, drawn.second)
    return Pair(first, second, forth, back, forth_valid, back_valid)
