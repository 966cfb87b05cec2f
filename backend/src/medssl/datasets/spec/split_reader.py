"""Splits of a dataset's images, from words or lists of files; no patient is in two."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medssl.core.errors import CatalogError, closest_name
from medssl.datasets.entry import SPLIT_WORDS
from medssl.datasets.spec.image_paths import shortest_paths
from medssl.datasets.spec.rules import PARTS, SplitRule, quoted
from medssl.datasets.spec.table_stream import Chunk
from medssl.datasets.spec.tabular_dataset import OPEN, SPLIT_NAMES, VALIDATION

CODES = {name: code for code, name in enumerate(SPLIT_NAMES)}
USUAL = {**{word: CODES[part] for word, part in SPLIT_WORDS.items()}, "validate": VALIDATION}  # words, in lower case


class SplitReader:
    """Codes of splits from words, or from files that list images.

    Raises:
        CatalogError: a list that is not there, or an image in two lists.
    """

    def __init__(self, rule: SplitRule, root: Path) -> None:
        self._listed = {} if rule.place else _listed(rule, root)
        given = {word: CODES[part] for part, words in rule.parts.items() for word in words}
        self._known = {"": OPEN, **given} if given else USUAL
        self._fold = str if given else str.lower
        self._matched = False

    def of_words(self, fields: Sequence[str], chunk: Chunk) -> list[int]:
        """Raises CatalogError for an unknown word; its line is named."""
        codes = [self._known.get(self._fold(field), -1) for field in fields]
        if -1 in codes:
            n, words = codes.index(-1), [word for word in self._known if word]
            rule = f"is no split{closest_name(fields[n], words)}"
            raise CatalogError(
                f"{chunk.where(n)}: split {quoted(fields[n])}",
                rule,
                f"Allowed: {', '.join(words)}",
                code="split-unknown",
            )
        return codes

    def of_paths(self, paths: Sequence[str]) -> list[int]:
        """By the lists: images stand there with or without their folders; in none of them: open."""
        return [self._listed.get(path, self._listed.get(posixpath.basename(path), OPEN)) for path in paths]

    def see(self, paths: Sequence[str]) -> None:
        """Images of the set, those too that `only` and `exclude` leave out."""
        self._matched = self._matched or any(self.of_paths(paths))

    def check(self, image: str) -> None:
        """Refuse lists that name no image that was seen: the split that they mean would be drawn instead.

        Raises:
            CatalogError: names a line of a list, and `image`.
        """
        if self._listed and not self._matched:
            raise CatalogError(
                f"lists of split, such as {quoted(next(iter(self._listed)))}", f"name none of the images, such as {quoted(image)}",
                "Write names as the images have them, with their suffix and in the same case", code="split-lists-unmatched",
            )  # fmt: skip


def _listed(rule: SplitRule, root: Path) -> dict[str, int]:
    listed: dict[str, int] = {}
    for part, files in rule.parts.items():
        for file in files:
            if not (root / file).is_file():
                raise CatalogError(
                    f"split.{part}: {root / file}", "is not there", "Check root and split", code="file-not-found"
                )
            with (root / file).open(encoding="utf-8-sig") as lines:
                names = [line.strip() for line in lines]
                for name in shortest_paths(names, root, lambda n, file=file: f"{file}, line {n + 1}", absolute=True):  # type: ignore[misc]
                    if name and listed.setdefault(name, CODES[part]) != CODES[part]:
                        raise CatalogError(
                            f"{file}: {name}",
                            f"is in the list of {PARTS[listed[name] - 1]}, too",
                            "List it once",
                            code="image-in-two-splits",
                        )
    return listed


def check_patients(patients: np.ndarray, names: Sequence[str], splits: np.ndarray, where: Callable[[int], str]) -> None:
    """Raises CatalogError for the first image whose patient is in another split already; `where` names an image's row."""
    order = np.lexsort((np.arange(len(patients)), patients))
    person, part = patients[order], splits[order]
    starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
    first = np.repeat(part[starts], np.diff(np.r_[starts, len(person)]))
    if not (differs := part != first).any():
        return
    n = int(order[differs].min())
    own = int(order[starts][_index_of(person[starts], patients[n])])
    one, other = (_said(int(splits[i])) for i in (own, n))
    rule = f"is in {other} here and in {one} in {where(own)}"
    raise CatalogError(
        f"{where(n)}: patient {names[patients[n]]}",
        rule,
        "Give all images of a patient one split",
        code="patient-in-two-splits",
    )


def _index_of(sorted_codes: np.ndarray, code: int) -> int:
    """The place of a code in a sorted array that has it."""
    return int(np.searchsorted(sorted_codes, code))


def _said(code: int) -> str:
    return PARTS[code - 1] if code else "no split"
