"""Where the images of a declared set lie: a template filled from a table's columns, or a glob."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from medssl.data.declaration_rules import Place, TableRef, template_fields
from medssl.data.table_stream import Chunk, Tables
from medssl.errors import CatalogError

BESIDE = "images"  # where a plain catalogue's images may lie, too


class ImagePlaces:
    """Paths below the root of the images that rows of a table name.

    Raises:
        CatalogError: a column that the table lacks, or no folder that matches.
    """

    def __init__(self, root: Path, template: str, tables: Tables, ref: TableRef) -> None:
        self.root = root
        self._pieces = template_fields(template)
        self.columns = {name: tables.column(Place((name,)), ref) for _, name, _ in self._pieces if name}
        self._folder = ""
        self._number_of: dict[str, int] | None = None
        first = self._pieces[0][0]
        if glob.has_magic(first):
            self._expand(first)
        self._may_lie_beside = template == "{image}"

    def of(self, chunk: Chunk) -> list[str]:
        """The path of each row, below the root, folders parted by /."""
        names = [""] * len(chunk)
        for text, name, part in self._pieces:
            if not name:
                names = [before + text for before in names]
                continue
            fields = chunk.columns[self.columns[name]]
            for n, field in enumerate(fields):
                if not field:
                    raise CatalogError(
                        chunk.where(n), f"has nothing in the column {name!r}", "It is a part of the image's path"
                    )
            if part:
                fields = [_part(field, part) for field in fields]
            names = [before + text + field for before, field in zip(names, fields)]
        if self._number_of is not None:
            return [f"{self._folders[self._number_of.get(name, 0)]}/{name}" for name in names]
        if self._may_lie_beside and names:
            self._look_beside(names[0])
        return [self._folder + name for name in names] if self._folder else names

    def _expand(self, first: str) -> None:
        """Numbered folders: each is listed once, so that a file is found without asking for it in all of them."""
        pattern, _, rest = first.rpartition("/")
        self._folders = sorted(path.replace(os.sep, "/") for path in glob.glob(pattern, root_dir=self.root))
        if not self._folders:
            raise CatalogError(f"images: {self.root / pattern}", "matches no folder", "Check root and images")
        self._pieces[0] = (rest, *self._pieces[0][1:])
        self._number_of = {}
        for number, folder in enumerate(self._folders):
            for name in _listed(self.root / folder):
                self._number_of.setdefault(name, number)

    def _look_beside(self, name: str) -> None:
        self._may_lie_beside = False
        if not (self.root / name).exists() and (self.root / BESIDE / name).exists():
            self._folder = f"{BESIDE}/"


def found_images(root: Path, pattern: str) -> list[str]:
    """What a glob finds below the root, sorted. Raises CatalogError where that is nothing."""
    found = sorted(path.replace(os.sep, "/") for path in glob.iglob(pattern, root_dir=root, recursive=True))
    if not found:
        raise CatalogError(f"images: {root / pattern}", "matches no file", "Check root and images")
    return found


def _part(text: str, part: str) -> str:
    """Its first characters (".2"), or without its first folders ("/1")."""
    count = int(part[1:])
    return text[:count] if part[0] == "." else text.split("/", count)[-1]


def _listed(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
