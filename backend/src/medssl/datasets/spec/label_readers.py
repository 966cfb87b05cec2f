"""Fields of a table as stated labels: 1, 0, -1 (uncertain), NaN (missing)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from medssl.core.errors import CatalogError, closest_name
from medssl.datasets.spec.rules import LabelRule, quoted
from medssl.datasets.spec.table_stream import Chunk

NUMBERS = (1.0, 0.0, -1.0)
KEPT = 100_000  # fields whose meaning is remembered


class LabelReader:
    """One class's column as numbers; `allowed` are the words of all classes that share the column (None: any word)."""

    def __init__(self, rule: LabelRule, allowed: Sequence[str] | None) -> None:
        self.rule = rule
        self._allowed = None if allowed is None else frozenset(allowed)
        self._words = frozenset(rule.words)
        self._pattern = re.compile(rule.place.pattern) if rule.place.pattern and not rule.words else None
        self._known: dict[str, float] = {}

    def read(self, fields: Sequence[str], chunk: Chunk) -> np.ndarray:
        """(N,) float32.

        Raises:
            CatalogError: a field outside the label's set; its line is named.
        """
        known = self._known
        if len(known) > KEPT:
            known.clear()
        if not known.keys() >= set(fields):
            for n, field in enumerate(fields):  # in their order: the first offending line is to be named
                if field not in known:
                    known[field] = self._meaning(field, chunk, n)
        return np.fromiter(map(known.__getitem__, fields), np.float32, len(fields))

    def _meaning(self, field: str, chunk: Chunk, n: int) -> float:
        if self._pattern:
            return float(self._pattern.search(field) is not None) if field else math.nan
        if not self._words:
            return _number(field, self.rule.name, lambda: chunk.where(n))
        words = [word.strip() for word in field.split(self.rule.separator)] if self.rule.separator else [field]
        if not any(words):
            return math.nan
        for word in words:
            if self._allowed is not None and word not in self._allowed:
                read = f"class {self.rule.name!r} is read from it"
                rule = f"is no label of this set{closest_name(word, self._allowed)}; {read}"
                remedy = f"Allowed: {', '.join(sorted(self._allowed))}; name what is no class under others"
                column = " or ".join(self.rule.place.columns) or "the file's path"
                raise CatalogError(f"{chunk.where(n)}: {column} = {quoted(word)}", rule, remedy, code="label-unknown")
        return float(not self._words.isdisjoint(words))


def label_readers(rules: Sequence[LabelRule]) -> list[LabelReader]:
    """A reader for each class."""
    return [LabelReader(rule, _allowed(rule, rules)) for rule in rules]


def one_hot(stated: np.ndarray, chunk: Chunk, classes: Sequence[str]) -> np.ndarray:
    """Rows of a multi-class set: one class, or NaN throughout where none is stated for certain.

    Raises:
        CatalogError: a row with two classes, named.
    """
    counts = (stated == 1).sum(axis=1)
    if (counts > 1).any():
        n = int(np.argmax(counts > 1))
        both = " and ".join(name for name, value in zip(classes, stated[n]) if value == 1)
        raise CatalogError(
            f"{chunk.where(n)}: {both}",
            "are two classes of one image",
            "Write kind: multi-label",
            code="not-one-class-per-image",
        )
    return np.where(counts[:, None] == 1, (stated == 1).astype(np.float32), np.float32(np.nan))


def combined(stated: np.ndarray, image: np.ndarray, images: int, how: str, multi_class: bool) -> np.ndarray:
    """One row per image from the rows of several readers.

    Args:
        stated: (R, C) of R rows.
        image: (R,) the number of each row's image.
        images: how many there are.
        how: any (one reader's yes is enough, then one reader's doubt) or majority (of yes, no and doubt the one with most votes; a
            tie is uncertain; of several classes: unknown).
    """
    votes = {value: np.zeros((images, stated.shape[1]), np.int32) for value in NUMBERS}
    for value, count in votes.items():
        np.add.at(count, image, stated == value)
    yes, no, doubt = votes[1.0], votes[0.0], votes[-1.0]
    if multi_class:
        best = yes == yes.max(axis=1, keepdims=True)
        clear = (best.sum(axis=1) == 1) & (yes.max(axis=1) > 0)
        return np.where(clear[:, None], best.astype(np.float32), np.float32(np.nan))
    if how == "any":
        return np.select([yes > 0, doubt > 0, no > 0], [1.0, -1.0, 0.0], np.nan).astype(np.float32)
    won = [yes > np.maximum(no, doubt), no > np.maximum(yes, doubt), yes + no + doubt > 0]
    return np.select(won, [1.0, 0.0, -1.0], np.nan).astype(np.float32)


def _allowed(rule: LabelRule, rules: Sequence[LabelRule]) -> list[str] | None:
    if rule.others is None:
        return None
    sharing = [one for one in rules if one.place == rule.place]
    return [word for one in sharing for word in (*one.words, *(one.others or ()))]


def _number(field: str, name: str, where: Callable[[], str]) -> float:
    try:
        value = float(field or "nan")
    except ValueError:
        value = math.inf
    if value in NUMBERS or math.isnan(value):
        return value
    remedy = "Allowed: 1, 0, -1 (uncertain) or nothing; for words write {column, equals}"
    raise CatalogError(f"{where()}: {name} = {quoted(field)}", "is no label", remedy, code="label-unknown")
