"""What the values of label maps mean."""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from medssl.core.errors import ConfigError, VolumeError

MOST = 255  # classes: their numbers are bytes
LARGEST = np.iinfo(np.int16).max
COLOURS = ("#e6873c", "#4a90d9", "#58b368", "#d64f5c", "#9b6fd0", "#e3c94b", "#45b8b0", "#d777b0", "#a6764c", "#8fa83f")
GOLDEN = 0.618034  # of the circle of hues from one further class to the next
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
RESERVED = "mean"  # of classes, in tables of cases


@dataclass(frozen=True)
class Segment:
    """One class: its value in label maps, and how Slicer shows it."""

    value: int
    name: str
    colour: str = ""  # #rrggbb
    terminology: str = ""  # as Slicer writes it


@dataclass(frozen=True)
class SegmentClasses:
    """The classes of a segmentation, in the order of the network's outputs 1...C; output 0 is the background.

    Raises:
        ConfigError: none or too many; a value that is 0, negative, too large or there twice; a name that is empty or there
            twice; no colour.
    """

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        _check(self.segments)
        named = tuple(
            Segment(s.value, s.name, s.colour or default_colour(n), s.terminology) for n, s in enumerate(self.segments)
        )
        object.__setattr__(self, "segments", named)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(segment.name for segment in self.segments)

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(segment.value for segment in self.segments)

    @property
    def count(self) -> int:
        """Classes without the background."""
        return len(self.segments)

    def index(self, array: np.ndarray, name: str = "label map") -> np.ndarray:
        """Class numbers 0...C (uint8, 0: background) of a label map's values, whatever its shape.

        Raises:
            VolumeError: a value that is no class.
        """
        self.check_values(np.unique(array) if _out_of_range(array, max(self.values)) else (), name)
        table = np.full(max(self.values) + 1, -1, np.int16)
        table[0] = 0
        table[list(self.values)] = np.arange(1, self.count + 1)
        numbers = table[array]
        if numbers.size and numbers.min() < 0:
            self.check_values(np.unique(array), name)
        return numbers.astype(np.uint8)

    def values_of(self, numbers: np.ndarray) -> np.ndarray:
        """The inverse of `index`: uint8 where all values fit, else int16."""
        kind = np.uint8 if max(self.values) <= 255 else np.int16
        return np.array([0, *self.values], kind)[numbers]

    def check_values(self, values: Sequence[int] | np.ndarray, name: str = "label map") -> None:
        """Refuse values that are neither a class nor 0.

        Raises:
            VolumeError: names the values.
        """
        unknown = sorted({int(value) for value in values} - {0, *self.values})
        if unknown:
            known = ", ".join(f"{s.value} ({s.name})" for s in self.segments)
            raise VolumeError(
                f"{name} with the value {', '.join(map(str, unknown[:5]))}",
                f"is not among the classes, which are 0 (background), {known}",
                "Add it to the classes, or take it out of the label map",
                code="label-value-unknown",
            )

    def as_list(self) -> list[dict[str, Any]]:
        """Plain JSON values, as `Plan.task["segments"]` holds them."""
        return [asdict(segment) for segment in self.segments]

    @classmethod
    def from_list(cls, values: Sequence[dict[str, Any]]) -> SegmentClasses:
        """Read what `as_list` wrote.

        Raises:
            ConfigError: no list of objects with value and name.
        """
        known = {field.name for field in fields(Segment)}
        for item in values:
            if not isinstance(item, dict) or not {"value", "name"} <= item.keys() <= known:
                raise ConfigError(
                    f"class {item!r}",
                    f"needs value and name, and may have {sorted(known)}",
                    _HOW,
                    code="class-malformed",
                )
        return cls(tuple(Segment(**item) for item in values))


_HOW = "Write 1=Anterior,2=Posterior"


def read_classes(text: str) -> SegmentClasses:
    """Classes as users write them: "1=Anterior,2=Posterior", or a JSON list of objects with value, name, colour ...

    Raises:
        ConfigError: neither of the two, or classes that break a rule.
    """
    if text.lstrip().startswith("["):
        try:
            return SegmentClasses.from_list(json.loads(text))
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"classes {text!r}", f"are no JSON list ({error})", _HOW, code="class-malformed"
            ) from error
    segments = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        value, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not value.lstrip("-").isdecimal():
            raise ConfigError(f"class {part!r}", "is not VALUE=NAME", _HOW, code="class-malformed")
        segments.append(Segment(int(value), name))
    return SegmentClasses(tuple(segments))


def find_classes(masks: Sequence[Iterable[int]], named: Mapping[int, Segment] | None = None) -> SegmentClasses:
    """One class for each value that occurs in the label maps but 0, called as the files call it, else "Segment_1" and so on.

    Args:
        masks: the values of each label map.
        named: what the files say of a value; a name that stands for several values is given to none of them.

    Raises:
        VolumeError: more values than classes there may be: these are no label maps.
    """
    values = sorted({value for values in masks for value in values} - {0})
    if not 0 < len(values) <= MOST:
        raise VolumeError(
            f"{len(masks)} label maps with {len(values)} values beside the background",
            f"must hold between 1 and {MOST} classes",
            "Label something; give label maps, not images",
            code="not-a-label-map",
        )
    named = {value: segment for value, segment in (named or {}).items() if value in values}
    names = [segment.name for segment in named.values()]
    known = {value: segment for value, segment in named.items() if names.count(segment.name) == 1}
    return SegmentClasses(tuple(known.get(value) or Segment(value, f"Segment_{value}") for value in values))


def default_colour(number: int) -> str:
    """A colour for the class of this number (from 0), unlike those of its neighbours."""
    if number < len(COLOURS):
        return COLOURS[number]
    rgb = colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.45 + 0.15 * (number % 3), 0.9 - 0.15 * (number % 2))
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def _out_of_range(array: np.ndarray, largest: int) -> bool:
    return bool(array.size) and (int(array.min()) < 0 or int(array.max()) > largest)


def _check(segments: Sequence[Segment]) -> None:
    if not 0 < len(segments) <= MOST:
        raise ConfigError(f"{len(segments)} classes", f"must be between 1 and {MOST}", _HOW, code="number-of-classes")
    for segment in segments:
        if not isinstance(segment.value, int) or not 0 < segment.value <= LARGEST:
            raise ConfigError(
                f"class {segment.name!r} of value {segment.value}",
                f"must have 1 to {LARGEST}",
                _HOW,
                code="class-value",
            )
        if not segment.name or (segment.colour and not COLOUR.fullmatch(segment.colour)):
            raise ConfigError(f"class {segment}", "needs a name, and a colour #rrggbb if any", _HOW, code="class-name")
        if segment.name == RESERVED:
            rule = "is what tables of cases call the mean over classes"
            raise ConfigError(f"class {segment.name!r}", rule, "Rename it, to Mean say", code="class-name")
    for what, found in (("value", [s.value for s in segments]), ("name", [s.name for s in segments])):
        twice = [item for n, item in enumerate(found) if item in found[:n]]
        if twice:
            raise ConfigError(
                f"class {what} {twice[0]!r}", "is there twice", "Give every class its own", code="class-repeated"
            )
