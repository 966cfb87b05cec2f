"""Three differently labelled datasets of one sample, each with another dataset spec: patterns to copy for one's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from medssl.core.tables import read_table, write_table
from medssl.datasets.spec.spec_files import read_dataset_spec
from medssl.examples.simulated_findings import SIDES, Disc, LandmarkPixels, basal_opacity, round_opacity

UNSEEN = "patient-3"
DRAWS = 3  # images of each pose in the sets with findings
SHRUNK = 2  # pixels of the sample that become one: networks of 112 pixels need no more
UNSURE = 0.1  # share of the training labels of `opacities` that are uncertain; as many are missing

SPECS = {
    "opacities": """\
# Several findings at once: a column for each, with 1, 0, -1 (uncertain) or nothing (not looked for).
name: opacities
title: Simulated opacities, several at once
root: . # relative to this file
tables: [labels.csv]
images: "images/{image}"
patient: patient
split: split # train, validation or test
kind: multi-label
labels: [Round opacity, Basal opacity]
uncertain: ignore # such a label is not learnt from
missing: ignore
""",
    "sides": """\
# Exactly one of several classes: a column of words. Training and validation have words of their own, too.
name: sides
title: Where a simulated round opacity is
root: .
tables: [sides.csv]
images: "images/{image}"
patient: patient
split: {column: fold, training: [one, two, three], validation: four}
kind: multi-class
labels: {column: opacity, values: {No opacity: none, Opacity right: right, Opacity left: left}}
""",
    "mirrored": """\
# One finding, there or not, and no table: names of files say all. Two lists say which images train.
name: mirrored
title: Images turned left to right
root: .
images: "images/*.png"
patient: {pattern: "patient-\\\\d+"}
split: {training: [training.txt], validation: [validation.txt]}
kind: binary
labels: {Heart on the right: {pattern: "_mirrored\\\\.png$"}}
""",
}


class SampleImage(NamedTuple):
    """A frontal image of the sample."""

    name: str
    patient: str
    pixels: np.ndarray  # (rows, columns) uint8
    points: LandmarkPixels


def make_sets(sample: Path, folder: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Draw the sets and write them with their dataset specs below `folder`; returns the specs.

    Args:
        sample: folder of `simulated-radiographs`.
        folder: gets a folder for each set, with its images and `declaration.yaml`.
        seed: of what is drawn; the same seed gives the same pixels.
    """
    images = list(sources(sample))
    for number, (name, write) in enumerate((("opacities", _opacities), ("sides", _sides), ("mirrored", _mirrored))):
        (folder / name / "images").mkdir(parents=True, exist_ok=True)
        write(images, folder / name, np.random.default_rng([seed, number]))
        (folder / name / "declaration.yaml").write_text(SPECS[name], encoding="utf-8")
    return [read_dataset_spec(folder / name / "declaration.yaml").as_dict() for name in SPECS]


def read_discs(folder: Path) -> dict[str, Disc]:
    """Where the round opacities of the set `sides` are, by image; without a radius where there is none."""
    return {
        row["image"]: Disc(*(float(row[name]) for name in Disc._fields))
        for row in read_table(folder / "sides.csv").rows
    }


def sources(sample: Path) -> Iterator[SampleImage]:
    """The frontal images with their landmarks, smaller."""
    points: dict[str, LandmarkPixels] = defaultdict(dict)
    for row in read_table(sample / "landmarks.csv").rows:
        points[row["image"]][row["landmark"]] = (float(row["x"]) / SHRUNK, float(row["y"]) / SHRUNK)
    for row in read_table(sample / "catalog.csv").rows:
        if row["view"] == "frontal":
            with Image.open(sample / row["image"]) as picture:
                pixels = np.asarray(picture.convert("L").reduce(SHRUNK))
            name = Path(row["image"]).stem.removesuffix("_simulated")
            yield SampleImage(name, row["patient"], pixels, points[row["image"]])


def _opacities(images: Sequence[SampleImage], folder: Path, rng: np.random.Generator) -> None:
    rows = []
    for image in images:
        for draw in range(DRAWS):
            there, pixels = rng.random(2) < 0.5, image.pixels
            if there[0]:
                pixels, _ = round_opacity(pixels, image.points, SIDES[rng.integers(2)], rng)
            if there[1]:
                pixels = basal_opacity(pixels, image.points, SIDES[rng.integers(2)], rng)
            unseen, chance = image.patient == UNSEEN, rng.random(2)
            stated = [
                str(int(value)) if unseen or one >= 2 * UNSURE else "-1" if one < UNSURE else ""
                for value, one in zip(there, chance)
            ]
            name = _save(pixels, folder, f"{image.name}_{draw}")
            rows.append((name, image.patient, "validation" if unseen else "train", *stated))
    write_table(rows, folder / "labels.csv", ("image", "patient", "split", "Round opacity", "Basal opacity"))


def _sides(images: Sequence[SampleImage], folder: Path, rng: np.random.Generator) -> None:
    rows = []
    folds = dict(zip(sorted({one.patient for one in images} - {UNSEEN}), ("one", "two", "three"))) | {UNSEEN: "four"}
    for image in images:
        for draw, side in enumerate(("none", *SIDES)):
            pixels, disc = image.pixels, Disc(0, 0, 0)
            if side != "none":
                pixels, disc = round_opacity(pixels, image.points, side, rng)
            name = _save(pixels, folder, f"{image.name}_{draw}")
            rows.append((name, image.patient, folds[image.patient], side, *(f"{value:.1f}" for value in disc)))
    write_table(rows, folder / "sides.csv", ("image", "patient", "fold", "opacity", *Disc._fields))


def _mirrored(images: Sequence[SampleImage], folder: Path, rng: np.random.Generator) -> None:
    names: dict[bool, list[str]] = {True: [], False: []}
    for image in images:
        for ending, pixels in (("", image.pixels), ("_mirrored", image.pixels[:, ::-1])):
            names[image.patient == UNSEEN].append(_save(pixels, folder, image.name + ending))
    for unseen, file in ((False, "training.txt"), (True, "validation.txt")):
        (folder / file).write_text("\n".join(names[unseen]) + "\n", encoding="utf-8")


def _save(pixels: np.ndarray, folder: Path, name: str) -> str:
    Image.fromarray(pixels).save(folder / "images" / f"{name}.png", compress_level=1)
    return f"{name}.png"
