"""What a catalogue says of images beside their labels, as numbers: sex, age, view ..."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FINDING = {0.0, 1.0, -1.0}  # a column of nothing else is a finding, which is known only once the image was read
BINARY = ("sex", "gender", "male", "female")  # but these
AFTERWARDS = re.compile(  # names of what is known only once the image was read or the patient followed
    "finding|diagnos|label|class|report|impression|patholog|histolog|disease|abnormal|lesion|tumou?r|cancer|severity|grade|stage|outcome",
    re.IGNORECASE,
)
FEWEST = 2  # training images of a value
MOST = 50  # values of a column


@dataclass(frozen=True)
class Metadata:
    """The columns that training images have, and how each becomes numbers.

    Attributes:
        numbers: column -> mean and standard deviation over training images.
        values: column of text -> those of its values that several training images have.
    """

    numbers: dict[str, tuple[float, float]]
    values: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, str]]) -> Metadata:
        """From the attributes of the training images, texts."""
        numbers: dict[str, tuple[float, float]] = {}
        values: dict[str, tuple[str, ...]] = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            if AFTERWARDS.search(name):
                continue
            texts = [row[name] for row in rows if row.get(name, "") != ""]
            known = [_number(text) for text in texts]
            if not any(np.isnan(known)):
                if set(known) <= FINDING and name.casefold() not in BINARY:
                    continue
                if (spread := float(np.std(known))) > 0:
                    numbers[name] = float(np.mean(known)), spread
                continue
            often = [value for value, count in Counter(texts).most_common(MOST) if count >= FEWEST]
            if len(often) > 1 or (often and len(texts) < len(rows)):
                values[name] = tuple(sorted(often))
        return cls(numbers, values)

    @property
    def names(self) -> list[str]:
        """The columns that are used."""
        return [*self.numbers, *self.values]

    def encode(self, rows: Sequence[Mapping[str, str]]) -> np.ndarray:
        """(N, D) float32: numbers standardised, 0 and a flag where unknown; a column of 0 and 1 for each value of a text."""
        columns = []
        for name, (mean, spread) in self.numbers.items():
            known = np.array([_number(row.get(name, "")) for row in rows])
            columns += [np.nan_to_num((known - mean) / spread), np.isnan(known)]
        for name, values in self.values.items():
            columns += [np.array([row.get(name, "") == value for row in rows]) for value in values]
        return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(rows), 0), np.float32)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
