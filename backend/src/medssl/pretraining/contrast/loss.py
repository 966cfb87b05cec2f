"""The dense contrastive loss: a place is more like itself in another view than like any other place; two axes or three.

InfoNCE (van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018) on the cells of a grid.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from medssl.distort.affine import cell_places


def dense_info_nce(
    queries: Tensor,
    grid: Tensor,
    where: Tensor,
    valid: Tensor,
    temperature: float = 0.1,
    apart: float = 1.2,
    across: bool = False,
    others: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Mean cross-entropy of finding each query's true place in a grid of the other view of its image.

    The positive is the grid's descriptor at the true place, linear between cells; negatives are all cells farther than `apart`
    from it. Zero, with a gradient of zero, where no query is valid.

    Args:
        queries: (N, Q, D) descriptors of places of the first view, of any length.
        grid: (N, D, *cells) descriptors of the second view.
        where: (N, Q, d) true places of the queries in the grid, in cells, 0 at the centre of the first.
        valid: (N, Q) bool: queries that count.
        temperature: that cosines are divided by.
        apart: cells.
        across: the cells of the other images of the batch are negatives too.
        others: further negatives, (N, D, M) descriptors of any length, and (N, Q, M) bool: for which queries each is one.
    """
    queries, grid = functional.normalize(queries.float(), dim=2), functional.normalize(grid.float(), dim=1)
    positive = (queries * at_places(grid, where)).sum(2, keepdim=True)  # (N, Q, 1)
    near = distances(where, grid.shape[2:]) <= apart  # (N, Q, cells)
    if across:
        own = torch.eye(len(grid), dtype=torch.bool, device=grid.device)[:, None, :, None]
        cosines = torch.einsum("nqd,mdc->nqmc", queries, grid.flatten(2))
        negative = cosines.masked_fill(own & near[:, :, None], -torch.inf).flatten(2)
    else:
        negative = (queries @ grid.flatten(2)).masked_fill(near, -torch.inf)  # (N, Q, cells)
    if others is not None:
        further = queries @ functional.normalize(others[0].float(), dim=1)
        negative = torch.cat([negative, further.masked_fill(~others[1], -torch.inf)], dim=2)
    logits = torch.cat([positive, negative], dim=2) / temperature
    each = logits.logsumexp(2) - logits[:, :, 0]
    return (each * valid).sum() / valid.sum().clamp(min=1)


def at_places(grid: Tensor, where: Tensor) -> Tensor:
    """Unit vectors (N, Q, D) of a grid (N, D, *cells) at places (N, Q, d) in cells, linear between cells."""
    count = where.new_tensor(grid.shape[2:])
    places = ((2 * where + 1) / count - 1).flip(2)  # -1…1, x first
    places = places.reshape(len(where), -1, *(1,) * (where.shape[2] - 1), where.shape[2])  # (N, Q, 1[, 1], d)
    sampled = functional.grid_sample(grid, places, mode="bilinear", padding_mode="border", align_corners=False)
    return functional.normalize(sampled.flatten(2).transpose(1, 2), dim=2)


def distances(where: Tensor, cells: torch.Size) -> Tensor:
    """(N, Q, cells) from each place (N, Q, d) to every cell of a grid, in cells."""
    every = cell_places(cells, where.device)
    return (where[:, :, None] - every).square().sum(3).sqrt()


def match_errors(queries: Tensor, grid: Tensor, where: Tensor) -> Tensor:
    """(N, Q) distances in cells from the true places (N, Q, d) to the cells of the grid that are most like the queries."""
    queries, grid = functional.normalize(queries.float(), dim=2), functional.normalize(grid.float(), dim=1)
    best = (queries @ grid.flatten(2)).argmax(2, keepdim=True)
    return distances(where, grid.shape[2:]).gather(2, best)[:, :, 0]
