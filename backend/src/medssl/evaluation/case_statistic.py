"""Rows of cases as arrays, and means over cases as a function of how often each image counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medssl.core.errors import InputError, be, counted
from medssl.evaluation.metrics.segmentation_metrics import MEAN, METRICS, mean_row
from medssl.evaluation.prediction_tables import ATTRIBUTE
from medssl.evaluation.statistics.bootstrap import Statistic, mean_of
from medssl.evaluation.statistics.interval import FEWEST


class CaseTable:
    """Cases by image (of a patient: names may repeat from one to the next) and class.

    Args:
        cases: rows of image, patient, class, `METRICS`, volumes and attributes, of which all but the Dice may be missing; where
            no image has a row "mean", these are made.

    Raises:
        InputError: no case, or an image without one of the classes.
    """

    def __init__(self, cases: Sequence[Mapping[str, Any]]) -> None:
        if not cases:
            raise InputError("cases", "are missing", "Give the rows of at least one image", code="cases-missing")
        by_image: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
        for row in cases:
            by_image.setdefault((str(row["image"]), str(row["patient"])), {})[str(row["class"])] = row
        names = list(dict.fromkeys(str(row["class"]) for row in cases))
        if MEAN not in names:
            by_image = {key: {**rows, MEAN: _mean_of(list(rows.values()))} for key, rows in by_image.items()}
            names.append(MEAN)
        for (image, _), rows in by_image.items():
            if len(rows) != len(names):
                missing = next(name for name in names if name not in rows)
                raise InputError(
                    f"case {image}",
                    f"has no row of class {missing!r}",
                    "Measure every class of every case",
                    code="class-row-missing",
                )
        self.names = names  # the mean among them
        self.classes = [name for name in names if name != MEAN]
        self.images = [image for image, _ in by_image]
        self._cases = [[rows[name] for name in names] for rows in by_image.values()]
        self._fill()

    def _fill(self) -> None:
        self.patients = [str(rows[0]["patient"]) for rows in self._cases]
        attributes = dict.fromkeys(name for rows in self._cases for name in rows[0] if name.startswith(ATTRIBUTE))
        self.attributes = {
            name.removeprefix(ATTRIBUTE): tuple(str(rows[0].get(name, "")) for rows in self._cases)
            for name in attributes
        }
        self.keys = [(name, metric) for name in self.names for metric in METRICS]
        columns = [self._column(n, metric) for n in range(len(self.names)) for metric in METRICS]
        self._values = np.stack(columns, axis=1)  # (images, keys), nan where unknown
        self.known = ~np.isnan(self._values.T)  # (keys, images)

    def rows(self, chosen: np.ndarray) -> CaseTable:
        """The cases of some images."""
        part = object.__new__(CaseTable)
        part.names, part.classes = self.names, self.classes
        part.images = [self.images[n] for n in chosen]
        part._cases = [self._cases[n] for n in chosen]
        part._fill()
        return part

    @property
    def statistic(self) -> Statistic:
        """(weightings, images) to the mean of each key's known values, (weightings, keys)."""
        return mean_of(self._values)

    def values(self) -> dict[str, dict[str, list[float | None]]]:
        """class -> metric -> the value of each image, None where unknown."""
        out: dict[str, dict[str, list[float | None]]] = {}
        for (name, metric), column in zip(self.keys, self._values.T):
            out.setdefault(name, {})[metric] = [None if np.isnan(value) else float(value) for value in column]
        return out

    def counts(self) -> dict[str, dict[str, int]]:
        """Per class: images whose two maps show it both, only one of them (it was missed, or found where it is not), or neither."""
        out = {}
        for n, name in enumerate(self.names):
            if name != MEAN:
                in_one, neither = self._in_one(n), np.isnan(self._column(n, "dice"))
                out[name] = {
                    "images": len(in_one),
                    "in both": int((~in_one & ~neither).sum()),
                    "in one": int(in_one.sum()),
                    "in neither": int(neither.sum()),
                }
        return out

    def one_map(self) -> dict[str, dict[str, int]]:
        """Per class: of the images that show it in one map only, those where it was missed and those where it is not there.

        Volumes say which; of images without (2D ones) it is not known, so that these may be fewer than `counts` has.
        """
        out = {}
        for n, name in enumerate(self.names):
            if name != MEAN:
                in_one = self._in_one(n)
                measured, reference = self._column(n, "volume_ml"), self._column(n, "reference_volume_ml")
                out[name] = {
                    "missed": int((in_one & (reference > 0)).sum()),
                    "found where it is not": int((in_one & (reference == 0) & (measured > 0)).sum()),
                }
        return out

    def volumes(self) -> dict[str, dict[str, float | None]]:
        """Per class of 3D images: mean volume, mean of reference - measured, and its 95 % limits of agreement, in ml.

        Under 5 images there are no limits: a deviation of so few says nothing.

        Bland and Altman, "Statistical methods for assessing agreement", The Lancet 327, 1986.
        """
        out = {}
        for n, name in enumerate(self.names):
            measured, reference = self._column(n, "volume_ml"), self._column(n, "reference_volume_ml")
            off = (measured - reference)[~np.isnan(measured - reference)]
            if name != MEAN and len(off):
                spread = 1.96 * float(np.std(off, ddof=1)) if len(off) >= FEWEST else None
                bias = float(np.mean(off))
                out[name] = {
                    "mean_ml": float(np.nanmean(measured)), "reference_mean_ml": float(np.nanmean(reference)),
                    "bias_ml": bias, "low_ml": bias - spread if spread is not None else None,
                    "high_ml": bias + spread if spread is not None else None,
                }  # fmt: skip
        return out

    def worst(self, count: int) -> list[dict[str, Any]]:
        """The images of the lowest mean Dice, each with the Dice of its classes."""
        at = self.names.index(MEAN)
        dice = self._column(at, "dice")
        order = [n for n in np.argsort(dice, kind="stable") if not np.isnan(dice[n])][:count]
        return [
            {
                "image": self.images[n], "patient": self.patients[n],
                **{metric: self._cases[n][at].get(metric) for metric in METRICS},
                "classes": {name: self._cases[n][c]["dice"] for c, name in enumerate(self.names) if name != MEAN},
            }
            for n in order
        ]  # fmt: skip

    def notes(self) -> list[str]:
        """What the means leave out."""
        notes = []
        for name, row in self.counts().items():
            if row["in one"]:
                notes.append(
                    f"{name}: {_shown(row['in one'])} in one of the two maps only: HD95 is the image's diagonal"
                )
            if row["in neither"]:
                notes.append(f"{name}: {_shown(row['in neither'])} in neither map: not in the means")
            if row["in neither"] == row["images"]:
                notes.append(f"{name}: no image shows it, so that it has no numbers")
        people = len(set(self.patients))
        if people < 5:
            notes.append(f"{counted(people, 'patient')} {be(people)} too few for intervals")
        return notes

    def _in_one(self, number: int) -> np.ndarray:
        """(images,): does only one of the two maps show the class?"""
        before = np.isnan(self._column(number, "hd95"))  # tables written before there was the column
        return (self._column(number, "missed") == 1) | (self._column(number, "dice") == 0) & before

    def _column(self, number: int, name: str) -> np.ndarray:
        values = [rows[number].get(name) for rows in self._cases]
        return np.array([np.nan if value is None else value for value in values], float)


def _mean_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row "mean" of an image's rows, with what they say of it."""
    return {**rows[0], **mean_row(rows)}


def _shown(images: int) -> str:
    return f"{counted(images, 'image')} {'shows' if images == 1 else 'show'} it"
