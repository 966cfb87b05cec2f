"""A small weight file, and damaged ones: what a disk, a download or an attacker does to a whole one."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from medssl.networks.unet3d import UNet3D

Mutation = Callable[[bytes, random.Random], bytes]
NAMES = (
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"cnumpy\nload\n",
    b"ctorch\nload\n",
    b"ctorch.storage\nUntypedStorage\n",
)


def weights() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"state_dict": UNet3D(2).state_dict()}


def saved(path: Path, content: Any, old: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def flip(data: bytes, rng: random.Random) -> bytes:
    """Some bytes anywhere."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def flip_ends(data: bytes, rng: random.Random) -> bytes:
    """Some bytes of the parts that say what is where: they lie at the beginning and the end."""
    changed = bytearray(data)
    span = min(1500, len(data))
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(span)
        changed[place if rng.random() < 0.5 else len(data) - 1 - place] = rng.randrange(256)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(1, len(data))]


def hole(data: bytes, rng: random.Random) -> bytes:
    """A piece in the middle is missing, or there twice."""
    begin, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:begin] + data[end:] if rng.random() < 0.5 else data[:end] + data[begin:]


def opcodes(data: bytes, rng: random.Random) -> bytes:
    """Other instructions, names and numbers in the pickle, in an archive whose checksums are right."""

    def change(pickle: bytes) -> bytes:
        changed = bytearray(pickle)
        for _ in range(rng.randint(1, 4)):
            place, kind = rng.randrange(len(changed)), rng.randrange(4)
            if kind == 0:
                changed[place] = rng.randrange(256)
            elif kind == 1:
                changed[place:place] = rng.choice(NAMES)
            elif kind == 2:
                del changed[place : place + rng.randint(1, 9)]
            else:
                changed[place : place + 4] = struct.pack("<I", rng.choice((0, 2**16, 2**31 - 1, 2**32 - 1)))
        return bytes(changed)

    return _rewritten(data, lambda name, content: change(content) if name.endswith("data.pkl") else content)


def storages(data: bytes, rng: random.Random) -> bytes:
    """Storages of another size, emptied, swapped or left out."""
    kind = rng.randrange(4)

    def change(name: str, content: bytes) -> bytes | None:
        if "/data/" not in name or rng.random() < 0.5:
            return content
        return (b"", content[: len(content) // 2], content * 2, None)[kind]

    return _rewritten(data, change)


def sizes(data: bytes, rng: random.Random) -> bytes:
    """Numbers in the pickle that announce huge shapes and storages."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        changed = bytearray(content)
        places = [n for n in range(len(changed) - 1) if changed[n : n + 1] in (b"K", b"M")]  # small integers
        for place in rng.sample(places, min(3, len(places))):
            huge = rng.choice((b"J\xff\xff\xff\x7f", b"\x8a\x08" + struct.pack("<q", rng.choice((2**40, 2**62, -1)))))
            changed[place : place + (2 if changed[place : place + 1] == b"K" else 3)] = huge
            break  # further places have moved
        return bytes(changed)

    return _rewritten(data, change)


ZIPPED: tuple[Mutation, ...] = (flip, flip_ends, cut, hole, opcodes, storages, sizes)
PLAIN: tuple[Mutation, ...] = (flip, flip_ends, cut, hole)


def mutated(zipped: bytes, plain: bytes, number: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Damaged copies of a file of today's format and of one of the format before it, and what was done to them."""
    rng = random.Random(seed)
    for n in range(number):
        old = n % 3 == 2
        mutation = rng.choice(PLAIN if old else ZIPPED)
        yield f"{mutation.__name__} ({n})", mutation(plain if old else zipped, rng)


def _rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with other contents and right checksums."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in source.namelist():
            if (content := change(name, source.read(name))) is not None:
                archive.writestr(name, content)
    return target.getvalue()
