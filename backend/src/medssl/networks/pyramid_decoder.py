"""The decoder of UPerNet (Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

BINS = (1, 2, 3, 6)  # cells per side to which the last stage is pooled
GROUPS = 8  # of channels, which are normalised together


class PyramidDecoder(nn.Module):
    """Pooled context of the coarsest features, handed down to the finest and fused there.

    Group norm stands where the paper has batch norm: radiograph batches are small, and a pooled cell of one image has no
    batch to speak of.

    Args:
        channels: of each stage, finest first.
        width: channels of the decoder, a multiple of 8.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(number) for number in channels[:-1])
        self.pooled = nn.ModuleList(_convolution(channels[-1], width, 1) for _ in BINS)
        self.context = _convolution(channels[-1] + len(BINS) * width, width, 3)
        self.lateral = nn.ModuleList(_convolution(number, width, 1) for number in channels[:-1])
        self.smooth = nn.ModuleList(_convolution(width, width, 3) for _ in channels[:-1])
        self.fuse = _convolution(len(channels) * width, width, 3)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features (N, width, rows, columns) at the finest size, of each stage's (N, rows, columns, channels)."""
        *finer, last = features
        levels = [self._context(last.permute(0, 3, 1, 2))]
        for stage in reversed(range(len(finer))):
            here = self.lateral[stage](self.norms[stage](finer[stage]).permute(0, 3, 1, 2))
            levels.append(here + resize(levels[-1], here))
        first, *rest = levels  # coarsest first
        smoothed = [first, *(smooth(level) for smooth, level in zip(reversed(self.smooth), rest, strict=True))]
        return self.fuse(torch.cat([resize(level, smoothed[-1]) for level in smoothed], dim=1))

    def _context(self, x: Tensor) -> Tensor:
        pooled = (
            convolution(functional.adaptive_avg_pool2d(x, bins))
            for bins, convolution in zip(BINS, self.pooled, strict=True)
        )
        return self.context(torch.cat([x, *(resize(cells, x) for cells in pooled)], dim=1))


def resize(x: Tensor, like: Tensor) -> Tensor:
    """x (N, C, rows, columns) brought to the rows and columns of `like` bilinearly."""
    return functional.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def _convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False),
        nn.GroupNorm(GROUPS, outputs),
        nn.ReLU(inplace=True),
    )
