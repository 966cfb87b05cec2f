"""In- and out-painting: noise in some boxes, or everywhere but in some boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from medssl.distort.counter import compiled, mix, mix_tensor, unit, unit_tensor
from medssl.distort.params import Params, draw_integers, draw_seeds
from medssl.distort.samples import apply_on_device, as_blocks, as_seeds, boxes_as_blocks, map_samples, on_cpu

BOXES, MARGIN, AGAIN = 5, 3, 0.95  # boxes at most, voxels to the border, probability of one more box


@dataclass(frozen=True)
class PaintParams(Params):
    """`starts`, `sizes` (N, 5, d) int64, size 0: no such box; `seed` (N,) int64 of the noise.

    The noise is a function of (seed, voxel) rather than a drawn tensor: a batch's parameters stay small, and noise is
    made only where it is seen.
    """

    starts: Tensor
    sizes: Tensor
    seed: Tensor


class InPainting:
    """Up to five boxes, each drawn with probability 0.95 while the previous one was, are filled with U(0, 1) noise.

    Sides are uniform in ⌊side / 6⌋…⌊side / 3⌋, at least three voxels stay free to the border (Zhou et al., Medical Image
    Analysis 67, 2021). A side too short for that takes a smaller margin.

    Args:
        strength: 0…1 scales the sides of the boxes.
    """

    name = "inpaint"

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def draw(self, batch: Tensor, generator: torch.Generator) -> PaintParams:
        """Boxes and a noise seed for each sample."""
        drawn = torch.rand((len(batch), BOXES), generator=generator, device=batch.device) < AGAIN
        sides = torch.tensor(batch.shape[2:], device=batch.device).expand(len(batch), BOXES, -1)
        sizes = draw_integers(sides // 6, sides // 3, generator)
        sizes = (sizes * self.strength).round().long()
        return _place(batch, sides, sizes, drawn.long().cumprod(1), generator)

    def apply(self, batch: Tensor, params: PaintParams, where: Tensor | None = None) -> Tensor:
        """Fill the boxes of `batch` (N, C, *spatial) with noise."""
        return _paint(batch, params, where, inside=True)


class OutPainting:
    """Everything becomes U(0, 1) noise but a union of one to five boxes (one more with probability 0.95 each time).

    Sides are s − U{⌊3s / 7⌋…⌊4s / 7⌋}, at least three voxels from the border (Zhou et al., Medical Image Analysis 67,
    2021).

    Args:
        strength: 0…1 scales what is taken off the sides: 0 keeps the whole image.
    """

    name = "outpaint"

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def draw(self, batch: Tensor, generator: torch.Generator) -> PaintParams:
        """Boxes and a noise seed for each sample."""
        drawn = torch.rand((len(batch), BOXES), generator=generator, device=batch.device) < AGAIN
        drawn[:, 0] = True
        sides = torch.tensor(batch.shape[2:], device=batch.device).expand(len(batch), BOXES, -1)
        taken = draw_integers(3 * sides // 7, 4 * sides // 7, generator)
        sizes = sides - (taken * self.strength).round().long()
        return _place(batch, sides, sizes, drawn.long().cumprod(1), generator)

    def apply(self, batch: Tensor, params: PaintParams, where: Tensor | None = None) -> Tensor:
        """Fill what the boxes of `batch` (N, C, *spatial) leave with noise."""
        return _paint(batch, params, where, inside=False)


def _place(batch: Tensor, sides: Tensor, sizes: Tensor, drawn: Tensor, generator: torch.Generator) -> PaintParams:
    margin = ((sides - sizes) // 2).clamp(max=MARGIN)
    starts = draw_integers(margin, sides - sizes - margin, generator)
    return PaintParams(starts, sizes * drawn[..., None], draw_seeds(batch, generator))


def _paint(batch: Tensor, params: PaintParams, where: Tensor | None, inside: bool) -> Tensor:
    if not on_cpu(batch):
        return apply_on_device(batch, params, where, partial(_paint_device, inside=inside))
    blocks, (starts, ends) = _long_rows(batch), (bounds.numpy() for bounds in _bounds(params))
    if blocks.shape[-3:] != as_blocks(batch).shape[-3:]:  # two axes, moved to the end
        starts, ends = np.roll(starts, 1, axis=2), np.roll(ends, 1, axis=2)
    seeds = as_seeds(params.seed)
    painted = map_samples(
        blocks, where, lambda n, sample, out: _paint_cpu(sample, starts[n], ends[n], seeds[n], inside, out)
    )
    return painted.reshape(batch.shape)


def _long_rows(batch: Tensor) -> Tensor:
    """(N, C, I, J, K), or (N, C, 1, I, J) for images: the kernel is fast where the last axis is long."""
    blocks = as_blocks(batch)
    return blocks.movedim(4, 2) if blocks.shape[4] == 1 else blocks


def _bounds(params: PaintParams) -> tuple[Tensor, Tensor]:
    """First voxels and those after the last, (N, 5, 3) each; an absent box ends where it starts."""
    present = (params.sizes > 0).all(2, keepdim=True)
    starts = boxes_as_blocks(params.starts, 0)
    return starts, starts + boxes_as_blocks(params.sizes, 1) * present


def _paint_device(batch: Tensor, params: PaintParams, inside: bool) -> Tensor:
    blocks = as_blocks(batch)  # (N, C, I, J, K)
    starts, ends = _bounds(params)
    spans = []
    for axis, side in enumerate(blocks.shape[2:]):
        place = torch.arange(side, device=blocks.device)
        spans.append((place >= starts[..., axis, None]) & (place < ends[..., axis, None]))  # (N, 5, side)
    boxes = spans[0][..., :, None, None] & spans[1][..., None, :, None] & spans[2][..., None, None, :]
    noisy = boxes.any(1, keepdim=True) == inside  # (N, 1, I, J, K)
    counter = torch.arange(blocks[0].numel(), device=blocks.device).reshape(blocks.shape[1:])
    noise = unit_tensor(mix_tensor(params.seed.reshape(-1, 1, 1, 1, 1), counter))
    return torch.where(noisy, noise.to(blocks.dtype), blocks).reshape(batch.shape)


@compiled
def _paint_cpu(sample, low, high, seed, inside, out):
    """Noise over whole rows and boxes, without a question at each voxel: the loops become vector instructions."""
    channels, rows, columns, slices = sample.shape
    if inside:
        out[:] = sample
    else:
        _noise(out.reshape(-1), seed, np.uint64(0))
    for b in range(low.shape[0]):
        first, last = low[b, 2], high[b, 2]
        for c in range(channels):
            for i in range(low[b, 0], high[b, 0]):
                for j in range(low[b, 1], high[b, 1]):
                    row = ((c * rows + i) * columns + j) * slices
                    if inside:
                        _noise(out[c, i, j, first:last], seed, np.uint64(row + first))
                    else:
                        out[c, i, j, first:last] = sample[c, i, j, first:last]


@compiled
def _noise(out, seed, counter):
    for n in range(out.size):
        out[n] = unit(mix(seed, counter + np.uint64(n)))
