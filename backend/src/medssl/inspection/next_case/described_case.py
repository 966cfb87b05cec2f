"""One image as the ranking sees it: where it lies among the others, and how unsure a model is of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from medssl.core.errors import InputError
from medssl.datasets.entry import Entry, read_entry
from medssl.inference.volumes.entropy_score import EntropyScore, score_entropy
from medssl.inspection.next_case.image_statistics import image_statistics
from medssl.networks.network import Network

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class DescribedCase:
    """An image of the ranking.

    Attributes:
        entry: the image.
        vector: (D,), its place among the others; empty where it cannot be used.
        entropy: what a segmentation model's probabilities say; None where no such model is asked.
        problem: why it cannot be used; "" where it can.
    """

    entry: Entry
    vector: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    entropy: EntropyScore | None = None
    problem: str = ""

    @property
    def nbytes(self) -> int:
        """Memory that it takes where it is kept."""
        return self.vector.nbytes * (1 if self.entropy is None else 2)


def describe_case(
    entry: Entry, net: Network | None, mirror: bool = True, progress: Progress | None = None
) -> DescribedCase:
    """Read an image and describe it: by a segmentation model, or without any by plain statistics.

    What is wrong with the image alone stands in `problem`.

    Args:
        entry: the image.
        net: a segmentation network with its plan; None: statistics.
        mirror: see `score_entropy`.
        progress: called with (fraction, message); may raise to stop.
    """
    try:
        volume = replace(read_entry(entry), name=entry.name)
        if net is None:
            return DescribedCase(entry, image_statistics(volume, entry.view, entry.inverted))
        found = score_entropy(volume, net, mirror, progress, entry.view, entry.inverted)
        return DescribedCase(entry, found.features, found)
    except InputError as error:
        return DescribedCase(entry, problem=f"{error.value}: {error.rule}")
