"""What everything above asks of a network, whichever method or task it is of."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from medssl.core.plan import Plan


class Network(nn.Module):
    """Base class of the networks in `NETWORKS`: how images enter it, and what it says of them.

    Attributes:
        plan: of the weights in it; None until a file or a task gives one.
        answer: what `forward` gives, in words.
        axes: of its images: 3 (i, j, k), or 2 (rows, columns).
        side: pixels of the sides of its images where they are squares of one size; 0: other sizes will do.
        input_size: of its images where that is fixed, else (): that of `plan` is usual.
        size_divisor: of each side of an image.
        least_side: of an image; 0: twice the divisor.
        one_size: what is recorded of a pass holds for images of that size only.
        framing: "centre", a square of the middle of a radiograph; "whole", all of it, resized without regard to its aspect.
        standard: a key of STANDARDS: what `standardise` brings radiographs to; "": they stay as they are, in 0…1.
        embeddings: what `embed` can give, the usual one first: projector, encoder; (): nothing.
        sets: descriptions of its heads: name, kind, classes, activation.
    """

    plan: Plan = None  # type: ignore[assignment]
    answer = "logits"
    axes = 3
    side = 0
    input_size: tuple[int, ...] = ()
    size_divisor = 1
    least_side = 0
    one_size = False
    framing = "centre"
    standard = ""
    embeddings: tuple[str, ...] = ()
    sets: list[dict[str, Any]] = []

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, C, *spatial) in 0…1 as the network takes them."""
        return images

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """One embedding (N, D) for each of standardised images, one of `embeddings`; "": the usual one.

        Raises:
            NotImplementedError: a network without `embeddings`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no embeddings")

    def encoder(self) -> list[nn.Module]:
        """The modules that turn an image into features, the deepest last; none where a network has no such part."""
        return []

    def resampled(self, name: str, tensor: Tensor, source: Plan) -> Tensor | None:
        """A tensor of a file as this network needs it where the source saw images of another size; None: as it is."""
        return None


class PatchEncoder(Protocol):
    """What networks offer that describe patches.

    Attributes:
        side: pixels of the sides of a window.
        cells: patches along a side of it.
        cell: pixels of a patch's sides.
        dimension: numbers of a descriptor.
    """

    side: int
    cells: int
    cell: int
    dimension: int

    def tokens(self, x: Tensor) -> Tensor:
        """Descriptors (N, cells², dimension) of standardised images (N, C, side, side), row by row."""


class VoxelEncoder(Protocol):
    """What networks offer that describe the places of a volume; calling them does it.

    Attributes:
        stride: voxels of a cell's sides.
        dimension: numbers of a descriptor.
    """

    stride: int
    dimension: int

    def __call__(self, x: Tensor) -> Tensor:
        """Descriptors (N, dimension, i/stride, j/stride, k/stride), unit length, of volumes (N, 1, i, j, k) in 0…1."""


class Explained(Protocol):
    """What networks offer whose predictions can be explained: places of an image, what is pooled of them, classes.

    Attributes:
        cells: of a side of a map, to which places are summed up; 0: as many as there are places.
    """

    cells: int

    def places(self, x: Tensor) -> Tensor:
        """What is known of each place (N, rows, columns, C) of standardised images (N, 3, side, side)."""

    def pooled(self, places: Tensor) -> Tensor:
        """The features (N, D) that the rest of the network makes of them, up to its classes."""

    def class_logits(self, pooled: Tensor, head: int = 0) -> Tensor:
        """Logits (N, classes) of features (N, D), by the head of that number."""


class HeadPredictor(Protocol):
    """What networks offer that predict by heads with names."""

    sets: list[dict[str, Any]]

    def probabilities(self, x: Tensor) -> list[Tensor]:
        """Every head's probabilities (N, its classes) of standardised images."""
