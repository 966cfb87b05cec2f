"""Images that lie in one of many folders, where no table says in which."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from medssl.core.errors import CatalogError


class NumberedFolders:
    """The folders that match a pattern; each, and each one in them that is named, is listed once: asking for every image in
    every folder would take long.

    Raises:
        CatalogError: no folder matches.
    """

    def __init__(self, root: Path, pattern: str) -> None:
        found = glob.glob(f"{pattern}/", root_dir=root)  # the slash: folders only
        self._root = root
        self._folders = sorted(path.replace(os.sep, "/").rstrip("/") for path in found)
        if not self._folders:
            raise CatalogError(f"images: {root / pattern}", "matches no folder", "Check root and images")
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
                    raise CatalogError(f"{where(n)}: {name}", rule, remedy)
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
