"""Check of a dataset against its spec: counts, files, duplicates, leaks. What is wrong is reported, not raised."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError, counted, have
from medssl.datasets.spec.duplicates import Duplicate, same_contents, same_files
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.readability import read_images
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.table_stream import Progress
from medssl.datasets.spec.tabular_dataset import TabularDataset, split_dataset

NAMED = 10  # files that are named of those that are missing
FIRST = 3  # of them that an error names
LOOKED_INTO = 16  # images that are read where not all are, drawn from all over the set
MOST_VALUES = 12  # of an attribute that are counted one by one
FEW = 50  # training images
STEP = 4096  # files between two reports of progress


@dataclass
class Checked:
    """A report, and the dataset where it could be read."""

    report: dict[str, Any]
    dataset: TabularDataset | None = None
    splits: dict[str, np.ndarray] | None = None  # name -> numbers of images


def check_datasets(
    dataset_specs: Sequence[DatasetSpec],
    files: bool = True,
    contents: bool = False,
    progress: Progress = lambda share, text: None,
    validation_fraction: float = 0.2,
    read_all: bool = False,
) -> list[Checked]:
    """Read and check the datasets of specs; nothing is raised for what is wrong with them.

    A report has name, title, kind, root; images, patients; splits {training, validation, test: images}, as a training would draw
    them; classes [{class, split, positive, negative, uncertain, missing}]; attributes {name: {value: images}}; missing (files
    that are not there) and missing_files (the first ten); unreadable [{value, rule, remedy}] of `looked_into` images;
    duplicates (pairs) and duplicate_files (the first ten); errors and warnings [{value, rule, remedy}].

    Args:
        files: ask for every file and read a few.
        contents: also compare files of equal size byte by byte (by their digests).
        validation_fraction: of the patients, where a dataset names no validation images.
        read_all: read every image instead of a few.
    """
    reports = [_checked(one, progress, validation_fraction) for one in dataset_specs]
    seen: set[str] = set()
    for one in reports:
        if one.report["name"] in seen:
            _error(one, "", "is the name of two datasets: each needs a head of its own", "Rename one of them")
        seen.add(one.report["name"])
    read = [one for one in reports if one.dataset is not None]
    sets = [one.dataset for one in reports if one.dataset is not None]
    sizes = [_sizes(one, dataset, progress) for one, dataset in zip(read, sets)] if files else []
    for one, dataset, size in zip(read, sets, sizes):
        _look_into(one, dataset, size, read_all, progress)
    _report_pairs(read, sets, same_files(sets), "file")
    if files and contents and sets:
        _report_pairs(read, sets, same_contents(sets, sizes, progress), "content")
    return reports


def _checked(dataset_spec: DatasetSpec, progress: Progress, validation_fraction: float) -> Checked:
    about = {
        "name": dataset_spec.name,
        "title": dataset_spec.title,
        "kind": dataset_spec.kind,
        "root": dataset_spec.root,
    }
    one = Checked({**about, "images": 0, "patients": 0, "duplicates": 0, "errors": [], "warnings": []})
    try:
        warnings: list[dict[str, str]] = []
        dataset = one.dataset = read_dataset(dataset_spec, progress, warnings)
    except CatalogError as error:
        one.report["errors"].append(_parts_of(error))
        return one
    for warning in warnings:
        _warn(one, **warning)
    one.report |= {"images": len(dataset), "patients": len(dataset.patient_names)}
    everything = np.arange(len(dataset))
    try:
        parts = split_dataset(dataset, validation_fraction, seed=0)
        named = zip(("training", "validation", "test"), parts)
        one.splits = {name: numbers for name, numbers in named if len(numbers)}
    except CatalogError as error:
        one.report["errors"].append(_parts_of(error))
        one.splits = {"all": everything}
    one.report["splits"] = {name: len(numbers) for name, numbers in one.splits.items()}
    one.report["classes"] = [row for name, numbers in one.splits.items() for row in _counts(dataset, name, numbers)]
    one.report["attributes"] = {name: _values(dataset, name) for name in dataset.attributes}
    _warn_of_labels(one, dataset)
    return one


def _counts(dataset: TabularDataset, split: str, numbers: np.ndarray) -> list[dict[str, Any]]:
    stated = dataset.stated[numbers]
    found = {"positive": stated == 1, "negative": stated == 0, "uncertain": stated == -1, "missing": np.isnan(stated)}
    sums = {name: where.sum(axis=0) for name, where in found.items()}
    return [
        {"class": one, "split": split, **{name: int(sums[name][c]) for name in sums}}
        for c, one in enumerate(dataset.classes)
    ]


def _values(dataset: TabularDataset, name: str) -> dict[str, int]:
    attribute = dataset.attributes[name]
    counts: Counter[str] = Counter()
    for value, count in zip(attribute.values, np.bincount(attribute.codes, minlength=len(attribute.values)).tolist()):
        counts["" if value.lower() == "nan" else value] += count  # as pandas writes an empty field
    order = counts.most_common()
    found = dict(order[:MOST_VALUES])
    if len(order) > MOST_VALUES:
        found[f"{len(order) - MOST_VALUES} further values"] = sum(count for _, count in order[MOST_VALUES:])
    return found


def _warn_of_labels(one: Checked, dataset: TabularDataset) -> None:
    for split, numbers in (one.splits or {}).items():
        stated = dataset.stated[numbers]
        for value, what in ((1, "positive"), (0, "negative")):
            names = [name for name, found in zip(dataset.classes, (stated == value).any(axis=0)) if not found]
            if names and not (value == 0 and dataset.missing == "zeros"):
                remedy = (
                    "No AUC can be computed of it"
                    if split != "training"
                    else "It cannot be learnt: leave the class out"
                )
                _warn(one, f"{split}: {', '.join(names)}", f"is never {what}", remedy)
    unknown = int(np.isnan(dataset.stated).all(axis=1).sum())
    if unknown and (dataset.missing == "ignore" or dataset.kind == "multi-class"):
        _warn(
            one,
            counted(unknown, "image"),
            f"{have(unknown)} no label at all: nothing is learnt from {'it' if unknown == 1 else 'them'}",
            "Leave them out, or set missing",
        )
    training = len((one.splits or {}).get("training", ()))
    if 0 < training < FEW:
        _warn(one, f"{training} training images", "are very few", "Add further images")


def _sizes(one: Checked, dataset: TabularDataset, progress: Progress) -> np.ndarray:
    """(N,) bytes of every file; -1: not there."""
    sizes = np.full(len(dataset), -1, np.int64)
    for n, image in enumerate(dataset.images):
        if n % STEP == 0:
            progress(n / len(dataset), f"looking for the files of {dataset.name}")
        try:
            sizes[n] = os.stat(image).st_size
        except OSError:
            continue
    gone = np.flatnonzero(sizes < 0)
    one.report |= {"missing": len(gone), "missing_files": [dataset.images[n] for n in gone[:NAMED]]}
    if len(gone):
        rule = f"of {len(dataset)} cannot be found: {_first(dataset, gone)}"
        _error(one, _many(gone, "file"), rule, "Check root and images")
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        rule = f"{'is' if len(empty) == 1 else 'are'} empty: {_first(dataset, empty)}"
        _error(one, _many(empty, "file"), rule, "Take another copy of them")
    return sizes


def _first(dataset: TabularDataset, numbers: np.ndarray) -> str:
    named = ", ".join(dataset.images[n] for n in numbers[:FIRST])
    return f"{named}, ..." if len(numbers) > FIRST else named


def _look_into(one: Checked, dataset: TabularDataset, sizes: np.ndarray, read_all: bool, progress: Progress) -> None:
    """Read a few images, drawn by a fixed seed, or all of them."""
    there = np.flatnonzero(sizes > 0)
    drawn = there if read_all else np.random.default_rng(0).permutation(there)[:LOOKED_INTO]
    found = read_images(dataset, drawn.tolist(), progress)
    one.report |= {"looked_into": len(drawn), "unreadable": found.unreadable}
    if found.unreadable:
        first = found.unreadable[0]
        rule = f"of {len(drawn)} that were read cannot be used; {first['value']}: {first['rule']}"
        others = "" if len(drawn) == len(there) else "; `medssl data check --read-all` looks at the others too"
        _error(one, _many(found.unreadable, "image"), rule, first["remedy"] + others)
    if found.inverted > len(drawn) / 2:
        said = "inverted: false" if dataset.inverted else "inverted: true"
        _warn(
            one,
            f"{found.inverted} of {counted(len(drawn), 'image')}",
            "look inverted (dark bone on bright air)",
            f"Look at some; write {said}",
        )


def _report_pairs(
    read: Sequence[Checked], sets: Sequence[TabularDataset], pairs: Sequence[Duplicate], same: str
) -> None:
    """Pairs of one `same` go into the later set's report; it is a leak where their splits differ."""
    splits = [_split_of_each(one, dataset) for one, dataset in zip(read, sets)]
    for number, one in enumerate(read):
        mine = [(a, b) for a, b in pairs if b[0] == number]
        if not mine:
            continue
        named = [[sets[set_].images[n] for set_, n in pair] for pair in mine[:NAMED]]
        one.report["duplicates"] += len(mine)
        one.report["duplicate_files"] = [*one.report.get("duplicate_files", []), *named][:NAMED]
        leaks = [(a, b) for a, b in mine if splits[a[0]][a[1]] != splits[b[0]][b[1]]]
        (other, n), (_, m) = (leaks or mine)[0]
        how_many = _many(leaks or mine, "image")
        rule = f"{'has' if len(leaks or mine) == 1 else 'have'} the {same} of another one: {sets[number].images[m]} that of {sets[other].images[n]} (set {sets[other].name})"
        if leaks:
            rule += f", one in {splits[number][m]} and one in {splits[other][n]}"
            _error(one, how_many, rule, "Give both one split, or leave one of them out")
        else:
            _warn(one, how_many, rule, "Leave one of each pair out")


def _split_of_each(one: Checked, dataset: TabularDataset) -> np.ndarray:
    """(N,) the split of each image."""
    splits = np.full(len(dataset), "", dtype="U10")
    for name, numbers in (one.splits or {}).items():
        splits[numbers] = name
    return splits


def _many(things: Any, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _parts_of(error: Exception) -> dict[str, str]:
    return {key: getattr(error, key) for key in ("value", "rule", "remedy")}


def _error(one: Checked, value: str, rule: str, remedy: str) -> None:
    name = f"set {one.report['name']}"
    one.report["errors"].append({"value": f"{name}: {value}" if value else name, "rule": rule, "remedy": remedy})


def _warn(one: Checked, value: str, rule: str, remedy: str) -> None:
    one.report["warnings"].append({"value": f"set {one.report['name']}: {value}", "rule": rule, "remedy": remedy})
