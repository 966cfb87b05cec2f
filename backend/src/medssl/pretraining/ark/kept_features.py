"""Features of fixed views by a backbone that is frozen: computed once, kept beside the decoded images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medssl.core.errors import VolumeError
from medssl.datasets.cache.feature_store import FeatureStore
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.set_parts import SetPart
from medssl.networks.ark import ArkEncoder
from medssl.networks.weights.tensor_files import digest
from medssl.pretraining.ark.fixed_views import FixedViews
from medssl.training.method import Said

VERSION = 1
BATCH = 16  # images that are computed together


@dataclass(frozen=True)
class View:
    """One view of one image of a set, with or without changes of intensities."""

    image: str
    inverted: bool
    number: int
    tinted: bool


class KeptFeatures:
    """What the backbone of `network` says of fixed views, as long as it does not change.

    Rows lie in a folder that is named by the digest of the backbone's tensors and of the size that they see. Within it a row is known by
    the image's key in `prepared` (path, time, size and normalisation) and the view, with the way of making it: the whole image is the
    same whatever that is.

    Args:
        folder: of all such folders.
        network: whose backbone is frozen, and in evaluation mode.
        views: the views.
        prepared: where images come from.
    """

    def __init__(self, folder: Path, network: ArkEncoder, views: FixedViews, prepared: PreparedImages) -> None:
        self.network, self.views, self.prepared = network, views, prepared
        seen = json.dumps([VERSION, network.side, network.standard])
        name = hashlib.sha256(f"{seen}{backbone_digest(network)}".encode()).hexdigest()[:32]
        self.store = FeatureStore(folder / name, network.dimension)

    def fill(self, views: Sequence[View], said: Said) -> None:
        """Compute what is not there yet; `said` hears of views. Images that cannot be read have no rows.

        Raises:
            ResourceError: the disk is full.
        """
        with self.store.writing(lambda: said(0, len(views))):
            rows = self.store.find(self._keys(views))
            missing = [view for view, row in zip(views, rows) if row < 0]
            done = len(views) - len(missing)
            for some in _groups(missing, BATCH):
                said(done, len(views))
                self._add(some)
                done += len(some)

    def rows(self, views: Sequence[View]) -> tuple[Tensor, np.ndarray]:
        """Features (M, D) float32 of the views that have any, and which of the views (M,) those are."""
        found = self.store.find(self._keys(views))
        there = np.flatnonzero(found >= 0)
        return torch.from_numpy(self.store.read(found[there])), there

    def _add(self, views: Sequence[View]) -> None:
        readable: list[View] = []
        squares = []
        for view in views:
            try:
                squares.append(self.prepared.get(view.image, view.inverted))
            except VolumeError:
                continue
            readable.append(view)
        if readable:
            raw = torch.from_numpy(np.stack(squares))[:, None].float() / 255
            self.store.add(self._keys(readable), self.computed(raw, readable).cpu().numpy())

    def complete(self, views: Sequence[View], squares: Tensor) -> Tensor:
        """Features (N, D) float32 of all views; those that are not kept are computed of the kept images (N, 1, K, K) in 0…1."""
        found, there = self.rows(views)
        if len(there) == len(views):
            return found.to(squares.device)
        rest = np.setdiff1d(np.arange(len(views)), there)
        every = torch.empty(len(views), self.store.width)
        every[there] = found
        every[rest] = self.computed(squares[rest], [views[n] for n in rest]).cpu()
        return every.to(squares.device)

    @torch.no_grad()
    def computed(self, squares: Tensor, views: Sequence[View]) -> Tensor:
        """Features (N, D) float32 of kept images (N, 1, K, K) in 0…1, computed now."""
        squares = squares.to(next(self.network.parameters()).device)
        seen = torch.cat([self._seen(square[None], view) for square, view in zip(squares, views)])
        return self.network.features(self.network.standardise(seen)).float()

    def _seen(self, square: Tensor, view: View) -> Tensor:
        return self.views.make(square, [view.image], [view.number], view.tinted)

    def _keys(self, views: Sequence[View]) -> list[bytes]:
        return [self._key(view) for view in views]

    def _key(self, view: View) -> bytes:
        """Of an image that is not there any more, one that nothing has."""
        try:
            image = self.prepared.key(view.image, view.inverted)
        except VolumeError:
            image = "missing"
        drawn = f"{view.image}|{view.tinted}|{self.views.framing}" if view.number else ""  # else neither crop nor tint
        return hashlib.sha256(f"{image}|{view.number}|{drawn}".encode()).digest()


def views_of(part: SetPart, numbers: Sequence[int], views: Sequence[int], tinted: bool) -> list[View]:
    """Views of images of a set, by their numbers. The whole image has no tint to do without, so that it is one view only."""
    return [View(part.images[n], part.inverted, view, tinted or view == 0) for n, view in zip(numbers, views)]


def backbone_digest(network: ArkEncoder) -> str:
    """Of the tensors that turn an image into features."""
    return digest(network.backbone_state())


def _groups(views: Sequence[View], size: int) -> Iterator[Sequence[View]]:
    for first in range(0, len(views), size):
        yield views[first : first + size]
