"""Paths of a dataset's images: a template filled from a table's columns, or a glob."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.datasets.spec.rules import ColumnTemplate, TableRef, quoted, template_fields
from medssl.datasets.spec.table_stream import Chunk, Tables

BESIDE = ("{image}", "images/{image}")  # where a plain catalogue's images may lie
LOOKED_FOR = 64  # images by which the template that fits is found: some may be missing
UNTIDY = ("//", "./", "/.", "\n/", "\n.", ":")  # one of these is in every path that `shortest_paths` would change


class ImagePlaces:
    """Paths below the root of the images that rows of a table name; of several templates the first by which images are found.

    Raises:
        CatalogError: a column that the table lacks, no folder that matches, an image in two of the numbered folders, or a
            path that leaves the root. Absolute paths are a table's own choice and stay, where the template is "{Column}" alone.
    """

    def __init__(self, root: Path, templates: Sequence[str], tables: Tables, ref: TableRef) -> None:
        templates = BESIDE if tuple(templates) == BESIDE[:1] else templates
        names = [name for template in templates for _, name, _ in template_fields(template) if name]
        self.columns = {name: tables.column(ColumnTemplate((name,)), ref) for name in names}
        self._templates = [_Template(root, template, self.columns) for template in templates]

    def of(self, chunk: Chunk) -> list[str]:
        """The path of each row, below the root, folders parted by /."""
        if len(self._templates) > 1:
            head = chunk.take(range(min(LOOKED_FOR, len(chunk))))
            self._templates = [next((one for one in self._templates if one.finds(head)), self._templates[0])]
        return self._templates[0].fill(chunk)


class _Template:
    def __init__(self, root: Path, template: str, columns: dict[str, str]) -> None:
        self._root, self._columns = root, columns
        self._pieces = template_fields(template)
        self._whole = len(self._pieces) == 1 and self._pieces[0][::2] == ("", "")  # "{Column}"
        first, name, part = self._pieces[0]
        self._pattern = ""
        if glob.has_magic(first):
            self._pattern, _, first = first.rpartition("/")
            self._pieces[0] = (first, name, part)
        self._folders: _NumberedFolders | None = None

    def finds(self, chunk: Chunk) -> bool:
        """Is one of the images there?"""
        if self._pattern and not glob.glob(self._pattern, root_dir=self._root):
            return False
        return any((self._root / name).exists() for name in self.fill(chunk))

    def fill(self, chunk: Chunk) -> list[str]:
        names = [""] * len(chunk)
        for text, name, part in self._pieces:
            if not name:
                names = [before + text for before in names]
                continue
            fields = chunk.columns[self._columns[name]]
            if "" in fields:
                where, rule = chunk.where(fields.index("")), f"has nothing in the column {quoted(name)}"
                raise CatalogError(where, rule, "It is a part of the image's path", code="image-path-missing")
            if part:
                fields = [_part(field, part) for field in fields]
            names = [before + text + field for before, field in zip(names, fields)]
        names = shortest_paths(names, self._root, chunk.where, self._whole)
        if not self._pattern:
            return names
        if self._folders is None:
            self._folders = _NumberedFolders(self._root, self._pattern)
        return self._folders.of(names, chunk.where)


class _NumberedFolders:
    """The folders that match a pattern, where no table says which holds an image; each, and each one in them that is named, is
    listed once: asking for every image in every folder would take long.

    Raises:
        CatalogError: no folder matches.
    """

    def __init__(self, root: Path, pattern: str) -> None:
        found = glob.glob(f"{pattern}/", root_dir=root)  # the slash: folders only
        self._root = root
        self._folders = sorted(path.replace(os.sep, "/").rstrip("/") for path in found)
        if not self._folders:
            raise CatalogError(
                f"images: {root / pattern}", "matches no folder", "Check root and images", code="pattern-without-match"
            )
        self._listed: set[str] = set()  # folders in these folders
        self._number: dict[str, int] = {}  # of the folder that holds an image
        self._other: dict[str, int] = {}  # of a second one that does

    def of(self, names: Sequence[str], where: Callable[[int], str]) -> list[str]:
        """The paths below the root of images named in these folders; one that is nowhere is looked for in the first.

        Raises:
            CatalogError: an image that two folders have; `where` names its row.
        """
        for inner in {name.rpartition("/")[0] for name in names} - self._listed:
            self._list(inner)
        if self._other:
            for n, name in enumerate(names):
                if name in self._other:
                    both = " and ".join(self._folders[one[name]] for one in (self._number, self._other))
                    rule, remedy = f"is in two folders: {both}", "Name the folder in a column: {Folder}/{Image}"
                    raise CatalogError(f"{where(n)}: {name}", rule, remedy, code="image-in-two-folders")
        return [f"{self._folders[self._number.get(name, 0)]}/{name}" for name in names]

    def _list(self, inner: str) -> None:
        self._listed.add(inner)
        before = f"{inner}/" if inner else ""
        for number, folder in enumerate(self._folders):
            try:
                with os.scandir(self._root / folder / inner) as entries:
                    names = [before + entry.name for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                if self._number.setdefault(name, number) != number:
                    self._other.setdefault(name, number)


def shortest_paths(names: list[str], root: Path, where: Callable[[int], str], absolute: bool) -> list[str]:
    """Each path in its shortest form, so that one image has one name; those below the root begin there.

    Args:
        names: paths.
        root: where the relative ones begin.
        where: names the nth path's row for an error.
        absolute: are absolute paths allowed? A table may list images that lie anywhere; what is glued together may not.

    Raises:
        CatalogError: a path that leaves the root.
    """
    if os.sep == "\\":
        names = [name.replace("\\", "/") for name in names]
    text = "\n" + "\n".join(names)
    if not any(mark in text for mark in UNTIDY):
        return names
    above, made = root.as_posix().rstrip("/") + "/", []
    for n, name in enumerate(names):
        free = name.startswith("/") or os.path.isabs(name) or bool(os.path.splitdrive(name)[0])
        path = posixpath.normpath(name) if name else ""
        if path.startswith("../") or path == ".." or (free and not absolute):
            rule, remedy = (
                "leaves the root",
                'Choose a root that holds all images, or list absolute paths: images: "{Column}"',
            )
            raise CatalogError(f"{where(n)}: {quoted(name)}", rule, remedy, code="path-leaves-root")
        made.append(path.removeprefix(above))
    return made


def found_images(root: Path, patterns: Sequence[str]) -> list[str]:
    """What a glob finds below the root, sorted; of several, the first that finds something.

    Raises:
        CatalogError: none of them does.
    """
    for pattern in patterns:
        found = sorted(path.replace(os.sep, "/") for path in glob.iglob(pattern, root_dir=root, recursive=True))
        if found:
            return found
    raise CatalogError(
        f"images: {root / patterns[0]}", "matches no file", "Check root and images", code="pattern-without-match"
    )


def _part(text: str, part: str) -> str:
    """Its first characters (".2"), or without its first folders ("/1")."""
    count = int(part[1:])
    return text[:count] if part[0] == "." else text.split("/", count)[-1]
