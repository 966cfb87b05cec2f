"""The shuffle, all samples at once: the law and the bits of `shuffle_cpu`, for devices that hate loops."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medssl.distort.counter import below_low_tensor, below_tensor, mix_tensor
from medssl.distort.samples import as_blocks
from medssl.distort.shuffle_cpu import ROUNDS, WORDS

CHUNK = 2**22  # voxels of windows marked at a time: some 300 MiB of work space however many and large the windows


def shuffle(batch: Tensor, seeds: Tensor, windows: int, largest: tuple[int, int, int]) -> Tensor:
    """Shuffle `batch` (N, C, *spatial) with `seeds` (N,) on its own device."""
    blocks = as_blocks(batch)  # (N, C, I, J, K)
    shape = blocks.shape[2:]
    owner = _owners(seeds, windows, largest, shape)  # (N, V) window number, −1: none
    source = _sources(seeds, owner, largest, shape)  # (N, V) flat voxel
    values = blocks.flatten(2).gather(2, source[:, None].expand(-1, blocks.shape[1], -1))
    return values.reshape(batch.shape)


def _windows(seeds: Tensor, window: Tensor, largest: tuple, shape: tuple) -> tuple[list[Tensor], list[Tensor]]:
    """Starts and sizes along i, j, k of the windows numbered `window` (N, ...)."""
    starts, sizes = [], []
    for axis in range(3):
        bits = mix_tensor(seeds, window * WORDS + axis)
        sizes.append(below_tensor(bits, largest[axis]) + 1)
        starts.append(below_low_tensor(bits, shape[axis] - sizes[-1] + 1))
    return starts, sizes


def _owners(seeds: Tensor, windows: int, largest: tuple, shape: tuple) -> Tensor:
    """The last window over each voxel. Scattering a maximum is deterministic whatever the order of duplicates."""
    voxels = math.prod(shape)
    owner = torch.full((len(seeds), voxels + 1), -1, device=seeds.device)  # one bin more for what lies outside
    offset = torch.cartesian_prod(*(torch.arange(side, device=seeds.device) for side in largest)).T  # (3, M)
    step = max(CHUNK // (offset.shape[1] * max(len(seeds), 1)), 1)
    for first in range(0, windows, step):
        window = torch.arange(first, min(first + step, windows), device=seeds.device)[None]  # (1, W)
        starts, sizes = _windows(seeds[:, None], window, largest, shape)  # (N, W) each
        i, j, k = (start[..., None] + offset[a] for a, start in enumerate(starts))  # (N, W, M)
        inside = torch.stack([offset[a] < sizes[a][..., None] for a in range(3)]).all(0)
        place = ((i * shape[1] + j) * shape[2] + k).where(inside, i.new_tensor(voxels))
        number = window[..., None].expand_as(place)
        owner.scatter_reduce_(1, place.flatten(1), number.flatten(1), "amax")
    return owner[:, :voxels]


def _sources(seeds: Tensor, owner: Tensor, largest: tuple, shape: tuple) -> Tensor:
    """Where each voxel takes its value from, as a flat index (N, V)."""
    seed, window = seeds[:, None], owner.clamp(min=0)
    starts, sizes = _windows(seed, window, largest, shape)
    voxel = torch.arange(owner.shape[1], device=owner.device)
    i, j, k = voxel // (shape[1] * shape[2]), voxel // shape[2] % shape[1], voxel % shape[2]
    x = ((i - starts[0]) * sizes[1] + (j - starts[1])) * sizes[2] + (k - starts[2])
    count = sizes[0] * sizes[1] * sizes[2]
    for r in range(ROUNDS):
        bits = mix_tensor(seed, window * WORDS + 4 + r)
        partner = (below_tensor(bits, count) - x) % count
        swap = ((torch.maximum(x, partner) + 1) * ((bits & 0xFFFFFFFF) | 1) >> 31) & 1
        x = partner.where(swap == 1, x)
    x = (x + below_tensor(mix_tensor(seed, window * WORDS + 3), count)) % count
    a, b, c = x // (sizes[1] * sizes[2]), x // sizes[2] % sizes[1], x % sizes[2]
    source = ((starts[0] + a) * shape[1] + starts[1] + b) * shape[2] + starts[2] + c
    return source.where(owner >= 0, voxel)
