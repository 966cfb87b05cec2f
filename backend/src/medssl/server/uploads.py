"""The volume store: uploads by the hash of their bytes, `<home>/volumes/<sha256>.nrrd`."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import InputError, NotFoundError, StateError
from medssl.core.files import disk_errors, replace
from medssl.core.protocol import VolumeRef
from medssl.server.nrrd_check import check_nrrd

SHA256 = re.compile(r"[0-9a-f]{64}")
RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@dataclass(frozen=True)
class Piece:
    """Bytes start…stop (half open) of total, from a Content-Range header."""

    start: int
    stop: int
    total: int

    @staticmethod
    def parse(header: str) -> Piece:
        """Read `bytes a-b/total`.

        Raises:
            InputError: not such a range.
        """
        match = RANGE.fullmatch(header.strip())
        first, last, total = (int(n) for n in match.groups()) if match else (0, -1, 0)
        if not first <= last < total:
            raise InputError(
                f"Content-Range {header!r}",
                "is not a range of bytes",
                "Send bytes first-last/total",
                code="content-range",
            )
        return Piece(first, last + 1, total)


class VolumeStore:
    """Files below `<home>/volumes`. What has not been checked yet carries a name ending in `.part`."""

    def __init__(self, home: Path) -> None:
        self.folder = Path(home) / "volumes"

    def path(self, sha256: str) -> Path:
        """Where the volume is or would be.

        Raises:
            InputError: not a SHA-256.
        """
        if not SHA256.fullmatch(sha256):
            raise InputError(
                f"volume {sha256[:80]!r}",
                "is not a SHA-256",
                "Send 64 lower-case hexadecimal digits",
                code="not-a-sha256",
            )
        return self.folder / f"{sha256}.nrrd"

    def has(self, sha256: str) -> bool:
        """Whether the volume was uploaded completely."""
        return self.path(sha256).is_file()

    def check(self, request: Any) -> None:
        """See that every image and label map that a request names by a hash was uploaded.

        Raises:
            NotFoundError: one was not.
            InputError: not a SHA-256.
        """
        for ref in _refs(request):
            for what, sha256 in (("volume", ref.sha256), ("label map of", ref.mask_sha256)):
                if sha256 and not self.has(sha256):
                    raise NotFoundError(
                        f"{what} {ref.name or sha256[:12]}", "was not uploaded", "Upload it first", code="not-uploaded"
                    )

    def received(self, sha256: str) -> int:
        """How many bytes of an upload in pieces are here."""
        part = self._shared_part(sha256)
        return part.stat().st_size if part.is_file() else 0

    def begin(self, sha256: str, piece: Piece | None) -> Path:
        """The file to write to: one of its own for a whole upload, the common one for pieces, cut to the piece's start.

        Raises:
            StateError: a piece that does not follow what is here.
        """
        self.path(sha256)
        self.folder.mkdir(parents=True, exist_ok=True)
        if piece is None:
            return self.folder / f"{sha256}.{secrets.token_hex(4)}.part"
        part, here = self._shared_part(sha256), self.received(sha256)
        if piece.start > here:
            raise StateError(
                f"piece from byte {piece.start}",
                f"does not follow the {here} bytes that are here",
                f"Go on from byte {here}",
            )
        with part.open("ab") as file:
            file.truncate(piece.start)
        return part

    def cut(self, sha256: str, size: int) -> None:
        """Take back what was received beyond `size` bytes."""
        with self._shared_part(sha256).open("ab") as file:
            file.truncate(size)

    def finish(self, sha256: str, part: Path) -> None:
        """Check the complete upload and give it its name; what fails the check is deleted.

        Raises:
            InputError: the bytes have another hash.
            VolumeError: not a volume, see `check_nrrd`.
        """
        try:
            if _digest(part) != sha256:
                raise InputError(
                    f"volume {sha256[:12]}…",
                    "has another SHA-256 than announced",
                    "Send it again",
                    code="sha256-mismatch",
                )
            check_nrrd(part, f"volume {sha256[:12]}…")
            replace(part, self.path(sha256))
        finally:
            part.unlink(missing_ok=True)

    def _shared_part(self, sha256: str) -> Path:
        return self.path(sha256).with_suffix(".part")


def _refs(value: Any) -> Iterator[VolumeRef]:
    """Every reference to a volume in a request, at any depth: also the further channels of a volume."""
    if isinstance(value, VolumeRef):
        yield value
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _refs(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _refs(item)


def append(path: Path, data: bytes) -> None:
    """Append to an upload.

    Raises:
        ResourceError: the disk is full.
    """
    with disk_errors(path), path.open("ab") as file:
        file.write(data)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
