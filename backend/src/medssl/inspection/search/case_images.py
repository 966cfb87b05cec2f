"""The images of an index as a model sees them: read ahead on other threads, embedded in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from medssl.core.errors import ConfigError, InputError
from medssl.datasets.entry import Entry, read_entry
from medssl.images.planes import as_plane
from medssl.images.thumbnail import thumbnail_of
from medssl.images.volume import Volume
from medssl.inference.image_embedding import BATCH, embed_images, image_size, whole_image
from medssl.networks.network import Network

FEATURES = ("projector", "encoder")
READERS = 4  # threads


@dataclass(frozen=True, eq=False)
class Described:
    """What an index keeps of an image: its embedding and a small JPEG, or why there are none."""

    vector: np.ndarray | None = None  # (D,) float32
    thumbnail: bytes = b""
    problem: str = ""


@dataclass(frozen=True, eq=False)
class _Read:
    image: np.ndarray | None = None
    thumbnail: bytes = b""
    problem: str = ""


def features_of(net: Network, wanted: str) -> str:
    """Which features a model gives where `wanted` ones are asked for: only some have a projector.

    Raises:
        ConfigError: an unknown word.
    """
    if wanted not in FEATURES:
        raise ConfigError(
            f"features = {wanted!r}", "is not a choice", f"Use one of {', '.join(FEATURES)}", code="features-unknown"
        )
    return wanted if wanted in net.embeddings else "encoder"


def describe_entries(entries: Sequence[Entry], net: Network, features: str = "") -> Iterator[list[Described]]:
    """Batches of descriptions, together in the order of the entries."""
    reading = _ahead(entries, net)
    while batch := list(islice(reading, BATCH)):
        usable = [one.image for one in batch if one.image is not None]
        vectors = iter(embed_images(usable, net, features=features) if usable else ())
        yield [Described(None if one.image is None else next(vectors), one.thumbnail, one.problem) for one in batch]


def describe_query(volume: Volume, net: Network, features: str, view: str, inverted: bool) -> tuple[np.ndarray, bytes]:
    """The embedding (D,) and a small JPEG of one image that somebody asks about.

    Raises:
        InputError: the model cannot take it.
    """
    image = whole_image(volume, net, view, inverted)
    return embed_images([image], net, features=features)[0], _thumbnail(volume, net, view, inverted)


def _ahead(entries: Sequence[Entry], net: Network) -> Iterator[_Read]:
    """Read images in order, two batches ahead of whoever takes them."""
    left, waiting = iter(entries), deque[Future[_Read]]()
    with ThreadPoolExecutor(READERS) as readers:
        try:
            for entry in islice(left, 2 * BATCH):
                waiting.append(readers.submit(_read, entry, net))
            while waiting:
                yield waiting.popleft().result()
                for entry in islice(left, 1):
                    waiting.append(readers.submit(_read, entry, net))
        finally:
            readers.shutdown(wait=True, cancel_futures=True)


def _read(entry: Entry, net: Network) -> _Read:
    try:
        volume = replace(read_entry(entry), name=entry.name)
        image = whole_image(volume, net, entry.view, entry.inverted)
        return _Read(image, _thumbnail(volume, net, entry.view, entry.inverted))
    except InputError as error:  # of this image alone
        return _Read(problem=f"{error.value}: {error.rule}")


def _thumbnail(volume: Volume, net: Network, view: str, inverted: bool) -> bytes:
    flat = len(image_size(net)) == 2
    return thumbnail_of(as_plane(volume, view, inverted) if flat else volume, "JPEG")
