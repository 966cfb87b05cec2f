"""How a segmentation network sees an image: crops, slices, slices with their neighbours; mirrored too, where asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from medssl.inference.volumes.slabs import Read, class_numbers, slabs
from medssl.networks.network import Network

BATCH, BATCH_2D = 4, 8  # windows at a time
CROP = "training_crop"  # of `Plan.task`: sides of the sub-volumes of training
STEP = 8  # by which a window may grow where the file does not tell the strides
MIRRORED_3D, MIRRORED_SLICE, MIRRORED_RADIOGRAPH = (2, 3, 4), (2, 3), (2,)  # axes of (N, channels, i, j, k)


def segment_array(
    array: np.ndarray,
    network: Network,
    size: Sequence[int],
    overlap: float = 0.25,
    mirror: bool = False,
    context: int = 0,
    batch: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Class numbers of an image that is normalised already: the largest of the logits of overlapping windows.

    An image that fits one window costs one pass.

    Args:
        array: (i, j, k) or (i, j), float32 0...1.
        network: gives logits, background first; in evaluation mode.
        size: of a window: (i, j, k), or (S, S) for a network of slices and radiographs.
        overlap: share of a window that its neighbour sees too, 0 <= overlap < 1.
        mirror: average over mirrored images too.
        context: neighbouring slices on each side that a network of slices sees as further channels.
        batch: windows at a time; 0: as fits the form, and one where the network normalises by the batch at hand.
        progress: called with (windows done, windows); may raise to stop.

    Returns:
        uint8, of the shape of `array`.
    """
    volume = array if array.ndim == 3 else array[..., None]
    where = next(network.parameters()).device
    mirrored = mirrored_axes(len(size), array.ndim) if mirror else ()
    found = np.empty(volume.shape, np.uint8)
    read = reader(volume, where, context=context)
    for first, logits in image_slabs(read, volume.shape, network, size, overlap, mirrored, batch, progress):
        found[:, :, first : first + logits.shape[3]] = class_numbers(logits)
    return found.reshape(array.shape)


def image_slabs(
    read: Read,
    shape: Sequence[int],
    network: Network,
    size: Sequence[int],
    overlap: float = 0.25,
    mirrored: Sequence[int] = (),
    batch: int = 0,
    progress: Callable[[int, int], None] | None = None,
    probable: bool = False,
) -> Iterator[tuple[int, Tensor]]:
    """Slabs of logits (C, i, j, slices) of an image of `shape` (i, j, k); see `slabs` and `segment_array`.

    With `probable` mirrored copies are averaged by their probabilities, not by their logits.
    """
    flat = len(size) == 2
    window = (size[1], size[0], 1) if flat else fitting_window(size, network, shape)  # 2D networks see (rows, columns)
    batch = batch or (1 if getattr(network.plan, "fidelity", "") == "released" else BATCH_2D if flat else BATCH)
    yield from slabs(read, shape, _ask(network, flat, mirrored, probable), window, overlap, batch, progress)


def fitting_window(size: Sequence[int], network: Network, shape: Sequence[int]) -> tuple[int, ...]:
    """A window of a network of volumes, where the image is smaller no larger than needed: in training no image was padded beyond the crop.

    A file that does not tell its crop has windows of one size.
    """
    task = network.plan.task if network.plan else {}
    if CROP not in task:
        return tuple(size)
    planned = task.get("plan", {}).get("pooling", {}).get("strides", [])
    steps = np.prod(planned, axis=0, dtype=int).tolist() if planned else [STEP] * 3
    needed = [max(crop, -(-n // step) * step) for crop, n, step in zip(task[CROP], shape, steps)]
    return tuple(min(side, n) for side, n in zip(size, needed))


def reader(array: np.ndarray, device: torch.device, bounds: tuple[float, float] = (0.0, 1.0), context: int = 0) -> Read:
    """Slices of an array (i, j, k) as (1 + 2 context, i, j, slices): from `bounds` to 0...1, with neighbouring slices as channels."""
    low, high = bounds

    def read(first: int, last: int) -> Tensor:
        numbers = np.arange(first - context, last + context).clip(
            0, array.shape[2] - 1
        )  # at the ends the last one again
        raw = np.array(array[:, :, numbers[0] : numbers[-1] + 1], np.float32, order="C")
        image = torch.from_numpy(raw).to(device).sub_(low).div_(high - low).clamp_(0.0, 1.0)
        places = torch.from_numpy(numbers - numbers[0]).to(device)
        count = last - first
        return (
            torch.stack([image[:, :, places[n : n + count]] for n in range(2 * context + 1)])
            if context
            else image[None]
        )

    return read


def mirrored_axes(network_axes: int, image_axes: int) -> tuple[int, ...]:
    """Which axes are mirrored: all of a volume, both of a slice, left and right of a radiograph."""
    if network_axes == 3:
        return MIRRORED_3D
    return MIRRORED_SLICE if image_axes == 3 else MIRRORED_RADIOGRAPH


def _ask(network: Network, flat: bool, mirrored: Sequence[int], probable: bool) -> Callable[[Tensor], Tensor]:
    """The network from (N, channels, i, j, k) to (N, C, i, j, k), averaged over every combination of mirrored axes."""
    turns = [axes for n in range(len(mirrored) + 1) for axes in itertools.combinations(mirrored, n)]

    def once(x: Tensor) -> Tensor:
        if not flat:
            return network(x).float()
        rows = x[..., 0].transpose(2, 3)  # (N, channels, rows, columns)
        return network(network.standardise(rows)).float().transpose(2, 3)[..., None]

    def ask(x: Tensor) -> Tensor:
        total = once(x)
        for axes in turns[1:]:
            total = total + once(x.flip(axes)).flip(axes)
        return total.div_(len(turns)) if mirrored else total

    def ask_probable(x: Tensor) -> Tensor:
        total = once(x).log_softmax(dim=1)
        for axes in turns[1:]:
            total = torch.logaddexp(total, once(x.flip(axes)).flip(axes).log_softmax(dim=1))
        return total - math.log(len(turns))

    return ask_probable if probable else ask


def copies(mirrored: Sequence[int]) -> int:
    """How often the network looks at each window."""
    return 2 ** len(mirrored)
