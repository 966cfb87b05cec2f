"""Images that could not be read during a training: counted, reported, and no more than a stated share of a set."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from medssl.core.errors import CatalogError, counted
from medssl.datasets.spec.set_parts import SetPart
from medssl.training.monitors import MonitorWarning

REMEDY = "Replace the file, or take it out of the set's table; `medssl data check --read-all` lists all of them"


class UnreadableImages:
    """The unreadable images of each set so far, each counted once.

    Args:
        sets: their training images.
        share: of a set that may be unreadable; one image always may.
    """

    def __init__(self, sets: Sequence[SetPart], share: float) -> None:
        self._sets, self._share = sets, share
        self._found: list[set[int]] = [set() for _ in sets]
        self._untold: list[tuple[int, int]] = []

    def note(self, number: int, skipped: Tensor) -> None:
        """Remember what the samples of a batch of set `number` stepped over: image numbers, -1 for none."""
        if bool((skipped >= 0).any()):
            for image in sorted(set(skipped[skipped >= 0].tolist()) - self._found[number]):
                self._found[number].add(image)
                self._untold.append((number, image))

    def monitors(self) -> list[MonitorWarning]:
        """A warning for each image not reported yet.

        Raises:
            CatalogError: a set has too many.
        """
        monitors = []
        for number, image in self._untold:
            part, count = self._sets[number], len(self._found[number])
            if count > max(1.0, self._share * len(part.images)):
                self._refuse(part, count, part.images[image])
            monitors.append(
                MonitorWarning(
                    "unreadable-image",
                    f"{part.images[image]} of set {part.name} cannot be read and is left out ({count} of "
                    f"{len(part.images)} so far)",
                    REMEDY,
                )
            )
        self._untold.clear()
        return monitors

    def _refuse(self, part: SetPart, count: int, image: str) -> None:
        raise CatalogError(
            f"set {part.name}: {count} of {counted(len(part.images), 'image')}, the last {image},",
            f"cannot be read: more than the share of {self._share:g} that unreadable_share allows",
            f"{REMEDY}; or raise unreadable_share",
            code="images-unreadable",
        )
