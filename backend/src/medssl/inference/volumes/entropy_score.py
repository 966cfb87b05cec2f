"""How unsure a segmentation model is of a whole image: the entropy of its probabilities beside the surface that it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medssl.core.plan import Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.planes import is_flat
from medssl.images.radiograph import as_radiograph, resized
from medssl.images.volume import Volume
from medssl.inference.volumes.axes import check_deep, check_flat
from medssl.inference.volumes.channels import grid_reader, on_one_grid
from medssl.inference.volumes.encoder_mean import EncoderMean
from medssl.inference.volumes.model_grid import on_model_grid
from medssl.inference.volumes.segmenter import MARGIN, Progress, check_segmenter
from medssl.inference.volumes.slabs import Read
from medssl.inference.volumes.sliding import image_slabs, mirrored_axes, reader
from medssl.networks.network import Network

SURE = 0.95  # probability of the leading class from which on a voxel does not count: else wide background outweighs any border
SLICES = 8  # looked at together, so that what is computed of them stays small


@dataclass(frozen=True, eq=False)
class EntropyScore:
    """What the model's probabilities of one image say, in mm on its own grid (pixels of that grid for radiographs).

    Attributes:
        doubt: volume (area) of the voxels of which the model is not sure, each by its entropy, 0...1 (1: all classes alike).
        surface: area (length) of the faces between voxels of different classes.
        found: volume (area) that is not background.
        unit: mm or pixels.
        features: means (D,) of the encoder's deepest features; empty where the network shows none.
    """

    doubt: float
    surface: float
    found: float
    unit: str = "mm"
    features: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


def score_entropy(
    volume: Volume,
    net: Network,
    mirror: bool = True,
    progress: Progress | None = None,
    view: str = "",
    inverted: bool = False,
) -> EntropyScore:
    """Entropy of the mean probabilities over mirrored copies (Shannon 1948), which is what entropy sampling asks labels by (Settles 2009).

    The image goes through the model as in `segment_image`, window by window; no more than a window's depth of probabilities is in
    memory. Probabilities, not logits, are averaged: copies that disagree are doubt.

    Args:
        volume: in stored units.
        net: a segmentation network with its plan.
        mirror: average over mirrored images.
        progress: called with (fraction, message); may raise CancelledError.
        view: how a 3D volume becomes 2D, for a model of radiographs.
        inverted: high values of a radiograph are dark.

    Raises:
        WeightsError, VolumeError, InputError: see `segment_image`.
    """
    plan, size = check_segmenter(net), tuple(net.plan.input_size)
    device = next(net.parameters()).device
    flat = bool(view) or is_flat(volume.shape)
    read, shape, spacing = _radiograph(volume, plan, device, view, inverted) if flat else _volume(volume, plan, device)
    mirrored = mirrored_axes(len(size), 2 if flat else 3) if mirror else ()
    sums = _Sums(spacing)

    def report(done: int, windows: int) -> None:
        if progress is not None:
            progress(done / windows, f"{done} of {windows} windows")

    overlap = float(plan.task.get("overlap", 0.25))
    with EncoderMean(net) as encoder:
        asked = _Probabilities(net, encoder, copies=2 ** len(mirrored))
        for _, slab in image_slabs(read, shape, asked, size, overlap, mirrored, 0, report):
            sums.add(slab)
    return EntropyScore(sums.doubt, sums.surface, sums.found, "pixels" if flat else "mm", encoder.vector())


class _Probabilities(Network):
    """A network whose answers are probabilities instead of logits.

    Args:
        net: gives logits.
        encoder: looks at the first of every `copies` inputs, the one that is not mirrored: features of all images compare so,
            also of those that nobody mirrors.
        copies: how often each window passes.
    """

    def __init__(self, net: Network, encoder: EncoderMean, copies: int) -> None:
        super().__init__()
        self.plan, self._net, self._encoder, self._copies, self._passed = net.plan, net, encoder, copies, 0

    def standardise(self, images: Tensor) -> Tensor:
        return self._net.standardise(images)

    def forward(self, x: Tensor) -> Tensor:
        self._encoder.look(x, self._passed % self._copies == 0)
        self._passed += 1
        return self._net(x).float().softmax(dim=1)


class _Sums:
    """Doubt, surface and volume of slabs of probabilities that come from the first slice to the last.

    Args:
        spacing: of a voxel.
    """

    def __init__(self, spacing: Sequence[float]) -> None:
        self.doubt = self.surface = self.found = 0.0
        i, j, k = map(float, spacing)
        self._voxel, self._faces = i * j * k, (j * k, i * k, i * j)  # of faces across i, j, k
        self._last: Tensor | None = None  # class numbers of the slice before

    def add(self, slab: Tensor) -> None:
        """Take the next slices, probabilities (C, i, j, slices)."""
        for part in slab.split(SLICES, dim=3):
            most, numbers = part.max(dim=0)
            entropy = -(part * part.clamp(min=1e-12).log()).sum(dim=0) / np.log(part.shape[0])
            self.doubt += float(entropy[most < SURE].sum()) * self._voxel
            self.found += int((numbers > 0).sum()) * self._voxel
            before = numbers if self._last is None else torch.cat([self._last, numbers], dim=2)
            for axis, area in enumerate(self._faces):
                labels = before if axis == 2 else numbers
                self.surface += int((labels.diff(dim=axis) != 0).sum()) * area
            self._last = numbers[..., -1:].clone()


Seen = tuple[Read, tuple[int, ...], Sequence[float]]  # slices, shape and voxel of what the network is moved over


def _volume(volume: Volume, plan: Plan, device: torch.device) -> Seen:
    check_deep(volume, plan)
    grid = on_model_grid(on_one_grid(volume, plan), plan)
    return grid_reader(grid, plan, device), grid.volume.shape, grid.volume.spacing.tolist()


def _radiograph(volume: Volume, plan: Plan, device: torch.device, view: str, inverted: bool) -> Seen:
    size = plan.input_size
    check_flat(volume, plan)
    image = as_radiograph(volume, view, inverted, NormalisationConfig(**plan.normalisation), plan.modality)
    scaled = np.ascontiguousarray(resized(image.pixels, round(min(size) * MARGIN)).T)[..., None]
    return reader(scaled, device), scaled.shape, (1.0, 1.0, 1.0)
