"""Datasets of specs as a catalogue, for everything that works on one: fine-tuning, probes, prediction, retrieval."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medssl.datasets.catalog.patients import SamePatients
from medssl.datasets.entry import Entry
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.spec import DatasetSpec, check_names
from medssl.datasets.spec.tabular_dataset import SPLIT_NAMES, TabularDataset
from medssl.images.formats.image_files import stem


def read_specs(sets: Sequence[dict[str, Any]], modality: str = "") -> list[Entry]:
    """The images of dataset specs; `modality` overrides what the specs say.

    Classes of binary and multi-label sets are labels (1, 0, -1, NaN), that of a multi-class set is an attribute with the
    set's name. Columns that an image's own set lacks are unknown. Of several sets, patients get the set's name in front; those who
    share an image are one, called as in the first of these sets: else the image could train in one set and test in the other.

    Raises:
        CatalogError: see `read_dataset` and `check_names`.
    """
    dataset_specs = [DatasetSpec.from_dict(one) for one in sets]
    check_names(dataset_specs)
    read = [read_dataset(one) for one in dataset_specs]
    single = [one for one in read if one.kind != "multi-class"]
    labels = dict.fromkeys((name for one in single for name in one.classes), float("nan"))
    texts = dict.fromkeys((name for one in read for name in one.attributes), "")
    texts |= {one.name: "" for one in read if one.kind == "multi-class"}
    entries: list[Entry] = []
    for dataset_spec, one in zip(dataset_specs, read):
        names, prefix = _names(one, dataset_spec.root), f"{one.name}/" if len(read) > 1 else ""
        for n, image in enumerate(one.images):
            entries.append(
                Entry(
                    Path(image),
                    prefix + one.patient_names[one.patients[n]],
                    SPLIT_NAMES[one.splits[n]],
                    modality or dataset_spec.modality,
                    names[n],
                    labels=labels
                    if one.kind == "multi-class"
                    else labels | dict(zip(one.classes, one.stated[n].tolist())),
                    attributes=texts | _texts(one, n),
                    inverted=one.inverted,
                )
            )
    return _united(entries) if len(read) > 1 else entries


def _united(entries: Sequence[Entry]) -> list[Entry]:
    first: dict[Path, str] = {}  # image -> the patient it had first
    same = SamePatients()
    for entry in entries:
        mine, other = same.name(entry.patient), same.name(first.setdefault(entry.image, entry.patient))
        if mine != other:
            same.join(other, mine)
    return [replace(entry, patient=same.name(entry.patient)) for entry in entries] if same else list(entries)


def _texts(one: TabularDataset, n: int) -> dict[str, str]:
    texts = {name: attribute.values[attribute.codes[n]] for name, attribute in one.attributes.items()}
    if one.kind == "multi-class":
        row = one.stated[n]
        texts[one.name] = one.classes[int(np.argmax(row))] if (row == 1).any() else ""
    return texts


def _names(one: TabularDataset, root: str) -> list[str]:
    """File names without suffix or, where some are equal, paths below the root (CheXpert's are all view1_frontal)."""
    names = [stem(Path(image)) for image in one.images]
    if len(set(names)) == len(names):
        return names
    below = [os.path.relpath(image, root).replace(os.sep, "/") for image in one.images]
    return [f"{os.path.dirname(path)}/{name}" for path, name in zip(below, names)]
