"""In- and out-painting: noise in some boxes, or everywhere but in some boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medssl.distort.counter import compiled, mix, mix_tensor, unit, unit_tensor
from medssl.distort.params import Params, draw_integers, draw_seeds
from medssl.distort.threads import as_blocks, as_seeds, boxes_as_blocks, each_sample, on_cpu

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

    def apply(self, batch: Tensor, params: PaintParams) -> Tensor:
        """Fill the boxes of `batch` (N, C, *spatial) with noise."""
        return _paint(batch, params, inside=True)


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

    def apply(self, batch: Tensor, params: PaintParams) -> Tensor:
        """Fill what the boxes of `batch` (N, C, *spatial) leave with noise."""
        return _paint(batch, params, inside=False)


def _place(batch: Tensor, sides: Tensor, sizes: Tensor, drawn: Tensor, generator: torch.Generator) -> PaintParams:
    margin = ((sides - sizes) // 2).clamp(max=MARGIN)
    starts = draw_integers(margin, sides - sizes - margin, generator)
    return PaintParams(starts, sizes * drawn[..., None], draw_seeds(batch, generator))


def _paint(batch: Tensor, params: PaintParams, inside: bool) -> Tensor:
    blocks = as_blocks(batch)  # (N, C, I, J, K)
    present = (params.sizes > 0).all(2, keepdim=True)  # padding must not bring an absent box back
    starts, sizes = boxes_as_blocks(params.starts, 0), boxes_as_blocks(params.sizes, 1) * present
    if not on_cpu(batch):
        return _paint_device(blocks, starts, sizes, params.seed, inside).reshape(batch.shape)
    out = torch.empty_like(blocks)
    cubes, results, seeds = blocks.numpy(), out.numpy(), as_seeds(params.seed)
    low, high = starts.numpy(), (starts + sizes).numpy()
    each_sample(len(cubes), lambda n: _paint_cpu(cubes[n], low[n], high[n], seeds[n], inside, results[n]))
    return out.reshape(batch.shape)


def _paint_device(blocks: Tensor, starts: Tensor, sizes: Tensor, seeds: Tensor, inside: bool) -> Tensor:
    spans = []
    for axis, side in enumerate(blocks.shape[2:]):
        place = torch.arange(side, device=blocks.device)
        low = starts[..., axis, None]
        spans.append((place >= low) & (place < low + sizes[..., axis, None]))  # (N, 5, side)
    boxes = spans[0][..., :, None, None] & spans[1][..., None, :, None] & spans[2][..., None, None, :]
    noisy = boxes.any(1, keepdim=True) == inside  # (N, 1, I, J, K)
    counter = torch.arange(blocks[0].numel(), device=blocks.device).reshape(blocks.shape[1:])
    noise = unit_tensor(mix_tensor(seeds.reshape(-1, 1, 1, 1, 1), counter))
    return torch.where(noisy, noise.to(blocks.dtype), blocks)


@compiled
def _paint_cpu(cube, low, high, seed, inside, out):
    channels, rows, columns, slices = cube.shape
    boxed = np.zeros((rows, columns, slices), np.bool_)
    for b in range(low.shape[0]):
        boxed[low[b, 0] : high[b, 0], low[b, 1] : high[b, 1], low[b, 2] : high[b, 2]] = True
    counter = np.uint64(0)
    for c in range(channels):
        for i in range(rows):
            for j in range(columns):
                for k in range(slices):
                    out[c, i, j, k] = unit(mix(seed, counter)) if boxed[i, j, k] == inside else cube[c, i, j, k]
                    counter += np.uint64(1)
