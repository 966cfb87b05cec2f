"""What is known of each image, as targets that a classifier learns."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medssl.core.errors import CatalogError, ConfigError
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.text_classes import class_names, class_of, known_text, spelling_notes
from medssl.datasets.entry import Entry, number_text
from medssl.datasets.spec.rules import FIXED, POLICIES, SMOOTHED

LABEL_KINDS = ("auto", "binary", "multi-class", "multi-label")
STATED = {"1": 1.0, "0": 0.0, "-1": -1.0}
MOST_CLASSES = 50
OTHERWISE = "none of them"  # what images are that have no class of a multi-label set


@dataclass(frozen=True)
class LabelSpec:
    """Which columns of a catalogue are the classes, and how they are read.

    `sure`: what models are measured against leaves uncertain labels out, however they are taught.

    A column is "Pneumonia" (1 yes, 0 no, -1 uncertain, empty unknown), "!No Finding" (negated) or
    "Abnormal=Atelectasis|Effusion" (1 where any of them is 1). One column of other values ("diagnosis") is multi-class, a
    class for each of its values; several columns are multi-label.

    Raises:
        ConfigError: no columns, or an unknown kind or way with uncertain labels.
    """

    columns: tuple[str, ...]
    kind: str = "auto"
    uncertain: str = "ignore"
    sure: bool = True

    def __post_init__(self) -> None:
        if not self.columns:
            raise ConfigError(
                "labels", "name no column", "Write Pneumonia, or several separated by commas",
                code="labels-without-column",
            )  # fmt: skip
        for what, value, known in (("kind", self.kind, LABEL_KINDS), ("uncertain", self.uncertain, POLICIES)):
            if value not in known:
                raise ConfigError(
                    f"{what} = {value!r}", "is unknown", f"Use one of {', '.join(known)}", code="setting-not-a-choice"
                )

    def hard(self) -> LabelSpec:
        """The same without smoothing."""
        return replace(self, uncertain=self.uncertain.removeprefix("smooth-"))

    def measured(self) -> LabelSpec:
        """What models are measured against."""
        return replace(self, uncertain="ignore") if self.sure else self.hard()


@dataclass(frozen=True, eq=False)
class Labels:
    """Targets of a catalogue's images: (N, C) float32, NaN where unknown; binary has C = 1, multi-class one-hot rows."""

    kind: str  # binary, multi-class, multi-label
    names: tuple[str, ...]
    targets: np.ndarray
    columns: tuple[str, ...] = ()  # of the catalogue, in its spelling, that they were read from
    notes: tuple[str, ...] = ()  # what the user should know of how they were read

    def members(self) -> dict[str, np.ndarray]:
        """Class -> which images (N,) show it; of binary and multi-label sets also those that show none."""
        shown = {name: column > 0.5 for name, column in zip(self.names, self.targets.T)}
        if self.kind != "multi-class":
            shown[f"not {self.names[0]}" if self.kind == "binary" else OTHERWISE] = (self.targets < 0.5).all(axis=1)
        return shown

    def counts(self) -> dict[str, int]:
        """Class -> number of images, like `members`."""
        return {name: int(members.sum()) for name, members in self.members().items()}


@dataclass(frozen=True)
class _Column:
    """A class that one or several columns make: 1 where any of them is."""

    name: str
    parts: tuple[tuple[str, bool], ...]  # column of the catalogue, negated


def read_labels(catalog: Catalog, spec: LabelSpec, seed: int = 0, like: Labels | None = None) -> Labels:
    """Targets of the images of a catalogue, in its order.

    Uncertain ones (-1) become what `spec.uncertain` says: 0, 1, unknown, or a number drawn by `seed` and image from 0.55...0.85
    (smooth-ones) or 0...0.3 (smooth-zeros); in a multi-class set of several columns 0, since another one is 1. `like`:
    labels of the training set; kind and classes are taken from there.

    Raises:
        CatalogError: an unknown column or one of several that differ by case alone, an image without a label (in multi-label
            sets that is just unknown), a value that is no 0, 1 or -1, too many classes, or a class that `like` does not have.
        ConfigError: columns that do not fit the kind.
    """
    there = tuple(dict.fromkeys(name for entry in catalog for name in (*entry.labels, *entry.attributes)))
    columns = [_spelt(_parse(text), there, begun=like is not None) for text in spec.columns]
    classes = like.names if like else ()
    fields = {
        name: [known_text(field(entry, name), classes) for entry in catalog]
        for column in columns for name, _ in column.parts
    }  # fmt: skip
    kind = like.kind if like else _kind(spec, columns, fields)
    if kind == "binary" and len(columns) > 1:
        raise ConfigError(
            f"{len(columns)} label columns", "are not binary", "Write one, or one of several: Any=A|B",
            code="label-columns-not-binary",
        )  # fmt: skip
    if kind == "multi-class" and len(columns) == 1:
        return _by_value(catalog, columns[0], fields, like)
    drawn = _Uncertain(catalog, spec.uncertain, seed)
    stated = np.stack([_stated(catalog, column, fields) for column in columns], axis=1)  # (N, C): 0, 1, -1, nan
    if kind != "multi-label":
        _check_filled(catalog, np.isnan(stated).any(axis=1), spec.columns)
    if kind == "multi-class":
        _check_one_each(catalog, stated)
        targets = np.where(stated == 1, 1.0, 0.0)
    else:
        targets = np.stack([drawn.resolve(values, n) for n, values in enumerate(stated.T)], axis=1)
    return Labels(kind, tuple(column.name for column in columns), targets.astype(np.float32), tuple(fields))


def check_classes(labels: Labels, name: str = "training set") -> None:
    """Refuse targets that hold one class only: nothing can be learnt from them.

    Raises:
        CatalogError: binary or multi-class with one class only; multi-label where no class is both there and absent.
    """
    counts = labels.counts()
    if labels.kind == "multi-class":
        varied = sum(count > 0 for count in counts.values()) > 1
    else:
        shown, absent = (labels.targets > 0.5).any(axis=0), (labels.targets < 0.5).any(axis=0)
        varied = bool((shown & absent).any())
    if not varied:
        found = ", ".join(f"{count} {what}" for what, count in counts.items())
        raise CatalogError(
            f"{name} ({found})", "holds one class only", "Add images of another class, or choose other labels or seeds",
            code="one-class-only",
        )  # fmt: skip


def _parse(text: str) -> _Column:
    name, equals, columns = (part.strip() for part in text.partition("="))
    parts = [part.strip() for part in (columns if equals else name).split("|")]
    if not name or not all(part.strip("!") for part in parts):
        raise ConfigError(
            f"label column {text!r}", "names no column", "Write Pneumonia, !No Finding or Any=A|B",
            code="labels-without-column",
        )  # fmt: skip
    label = name if equals else " or ".join(f"not {part[1:]}" if part[0] == "!" else part for part in parts)
    return _Column(label, tuple((part.lstrip("!").strip(), part[0] == "!") for part in parts))


def _spelt(column: _Column, there: Sequence[str], begun: bool) -> _Column:
    """The same with the catalogue's columns in its own spelling, by which all that follows tells labels from attributes."""
    return replace(column, parts=tuple((_column_of(name, there, begun), negated) for name, negated in column.parts))


def _column_of(name: str, there: Sequence[str], begun: bool) -> str:
    """The column of exactly this name, else the one that differs by case alone; a training that goes on keeps to the last of several."""
    if name in there:
        return name
    alike = [column for column in there if column.casefold() == name.casefold()]
    if not alike:
        raise CatalogError(
            f"label column {name!r}", f"is not in the catalogue (it has: {', '.join(there) or 'no label columns'})",
            "Name one of its columns, as line 1 of the table writes it", code="column-missing",
        )  # fmt: skip
    if len(alike) > 1 and not begun:
        raise CatalogError(
            f"label column {name!r}", f"may be {' or '.join(alike)}, which differ by upper and lower case alone",
            "Write it as line 1 of the table does", code="column-ambiguous",
        )  # fmt: skip
    return alike[-1]


def field(entry: Entry, column: str) -> str:
    """What a column of the catalogue says of an image, as text; empty: unknown."""
    if column in entry.labels:
        return number_text(entry.labels[column])
    return entry.attributes.get(column, "").strip()


def _kind(spec: LabelSpec, columns: list[_Column], fields: dict[str, list[str]]) -> str:
    if spec.kind != "auto":
        return spec.kind
    if len(columns) > 1:
        return "multi-label"
    plain = len(columns[0].parts) == 1 and not columns[0].parts[0][1]
    return "binary" if not plain or set(fields[columns[0].parts[0][0]]) <= {"", *STATED} else "multi-class"


def _stated(catalog: Catalog, column: _Column, fields: dict[str, list[str]]) -> np.ndarray:
    """(N,) of 1, 0, -1 (uncertain) and NaN (unknown): the strongest that any part says, in this order 1, -1, unknown, 0."""
    parts = []
    for name, negated in column.parts:
        for entry, text in zip(catalog, fields[name]):
            if text and text not in STATED:
                raise CatalogError(
                    f"{name} = {text} of image {entry.name}", "is neither 0, 1 nor -1 (uncertain)",
                    "Correct the table, or take the column as multi-class", code="label-not-binary",
                )  # fmt: skip
        values = np.array([STATED.get(text, np.nan) for text in fields[name]])
        parts.append(np.where(values >= 0, 1 - values, values) if negated else values)
    said = np.stack(parts)
    return np.select([(said == 1).any(0), (said == -1).any(0), np.isnan(said).any(0)], [1.0, -1.0, np.nan], 0.0)


class _Uncertain:
    """What becomes of -1; drawn per image, so that a subset of the catalogue gets the same."""

    def __init__(self, catalog: Catalog, rule: str, seed: int) -> None:
        self.rule = rule
        keys = [zlib.crc32(f"{entry.patient}/{entry.name}".encode()) for entry in catalog]
        self.seeds = [[seed, key] for key in keys]

    def resolve(self, values: np.ndarray, number: int) -> np.ndarray:
        """The targets of class `number`."""
        unsure = values == -1
        if self.rule in SMOOTHED:
            low, high = SMOOTHED[self.rule]
            drawn = [
                np.random.default_rng([*s, number]).uniform(low, high) if u else 0 for s, u in zip(self.seeds, unsure)
            ]
            return np.where(unsure, drawn, values)
        return np.where(unsure, FIXED[self.rule], values)


def _by_value(catalog: Catalog, column: _Column, fields: dict[str, list[str]], like: Labels | None) -> Labels:
    source = column.parts[0][0]
    values = fields[source]
    written = next((text for entry, value in zip(catalog, values) if not value and (text := field(entry, source))), "")
    said = f"{column.name}; {written!r} stands for unknown" if written else column.name
    _check_filled(catalog, np.array([not value for value in values]), (said,))
    names = like.names if like else class_names(values)
    if len(names) > MOST_CLASSES:
        raise CatalogError(
            f"column {column.name!r} with {len(names)} values", f"has more than {MOST_CLASSES} values, too many for classes",
            "Choose another", code="too-many-classes",
        )  # fmt: skip
    number = {value: names.index(name) for value in set(values) if (name := class_of(value, names)) is not None}
    for entry, value in zip(catalog, values):
        if value not in number:
            raise CatalogError(
                f"{column.name} = {value} of image {entry.name}",
                f"is no class of the training set (there are: {', '.join(names)})",
                "Leave the image out, or add such images to the training set", code="class-not-in-training",
            )  # fmt: skip
    targets = np.eye(len(names), dtype=np.float32)[[number[value] for value in values]]
    return Labels("multi-class", names, targets, tuple(fields), spelling_notes(column.name, values, names))


def _check_filled(catalog: Catalog, empty: np.ndarray, columns: tuple[str, ...]) -> None:
    missing = [entry.name for entry, is_empty in zip(catalog, empty) if is_empty]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CatalogError(
            f"image {missing[0]}{more}", f"has no label ({', '.join(columns)})",
            "Leave the image out or fill the field", code="label-missing",
        )  # fmt: skip


def _check_one_each(catalog: Catalog, stated: np.ndarray) -> None:
    for entry, count in zip(catalog, (stated == 1).sum(axis=1)):
        if count != 1:
            raise CatalogError(
                f"image {entry.name} of {count} classes", "must have exactly one in a multi-class set",
                "Use multi-label", code="not-one-class-per-image",
            )  # fmt: skip
