"""What is in a training set: counts, modality, label maps and split, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from medssl.core.errors import CatalogError, ConfigError, counted, have, printable
from medssl.core.protocol import DataSpec
from medssl.core.registry import config_class
from medssl.datasets.cache.channel_notes import fit_notes
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.catalog.channels import channel_names
from medssl.datasets.catalog.label_checks import class_notes, label_map_notes
from medssl.datasets.catalog.labels import LabelSpec, check_classes, field, read_labels
from medssl.datasets.catalog.mask_files import template_of
from medssl.datasets.catalog.patients import sources
from medssl.datasets.entry import LABEL_MAP_NOTE, Entry
from medssl.datasets.geometry import notes_by_kind
from medssl.inspection.training_set.image_survey import (
    Seen,
    contradictions,
    geometry_info,
    is_of_dicom,
    look_at_all,
    problem_of,
)
from medssl.inspection.training_set.planned_splits import PlannedSplit, planned_splits
from medssl.pretraining import METHODS

MOST_VALUES = 12  # of a column that are counted one by one

Progress = Callable[[float, str], None]


def catalog_overview(
    catalog: Catalog,
    data: DataSpec,
    progress: Progress,
    labels: LabelSpec | None = None,
    read_all: bool = False,
    seed: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row per image, and what they amount to; nothing is raised for a bad file, which has a row with its problem.

    Info: volumes (that can be used), patients, modality, dimension, methods (those that train on images of this dimension),
    training, validation and test images of the use that the options mean, splits {use: {part: images}}, split_shown (that use, of which rows have the part), size, spacing (range and median, mm), orientations {code: images}, dicom_series,
    patients_by {source: images}, left_out {reason: files}, bad [{file, reason}], refused (how many things stand in the way
    of a training) and notes. Where there are label maps, `label_maps` and `label_values`, and rows name them; where the
    catalogue has further columns, `columns` says what they hold, see `column_counts`. Of several channels `channels` holds their
    names and modalities, rows say how they lie on the first, and notes name those that lie poorly.

    Args:
        catalog: the images.
        data: how they are split.
        progress: called with (fraction, message); may raise to stop.
        labels: the columns of a classification, to be looked into for each part.
        read_all: read all images, however large; else headers alone from 2 GiB on.
        seed: of a pretraining, see `planned_splits`.

    Raises:
        CatalogError: a patient in two splits.
    """
    seen = look_at_all(catalog.entries, read_all, progress)
    usable = replace(catalog, entries=tuple(one.entry for one in seen if one.error is None))
    bad = [(printable(str(path)), printable(reason)) for path, reason in catalog.bad]
    bad += [
        (printable(str(one.entry.image)), f"{problem_of(one.error, one.entry)}. {one.error.remedy}")
        for one in seen
        if one.error
    ]
    splits = planned_splits(usable, data, seed)
    meant, notes, refused = _meant(splits, usable, data)
    parts = {"training": Catalog(), "validation": Catalog(), **meant.parts}
    part_of = {_which(entry): name for name, part in parts.items() for entry in part}
    table = [one.row("" if one.error else part_of.get(_which(one.entry), "unused")) for one in seen]
    if any(entry.split for entry in usable):
        notes.append("The column split says who trains, validates and tests; what it does not name is drawn")
    good = [one for one in seen if one.error is None]
    axes = {one.axes for one in good}
    geometry, remarks = geometry_info(good)
    modalities = sorted({one.modality for one in good if one.modality})
    info = {
        "volumes": len(usable), "patients": len(usable.patients), "modality": ", ".join(modalities),
        "dimension": " and ".join(f"{n}D" for n in sorted(axes)),
        "methods": ", ".join(name for name in METHODS if axes == {len(config_class(METHODS, name)().sample_size)}),
        **{name: len(part) for name, part in parts.items() if len(part) or name != "test"},
        "splits": {one.use: one.counts for one in splits}, "split_shown": meant.use, **geometry,
        "dicom_series": sum(is_of_dicom(one.entry) for one in good), "patients_by": sources(usable),
        "left_out": dict(catalog.left_out), "bad": [{"file": file, "reason": reason} for file, reason in bad],
        "refused": len(bad) + refused,
    }  # fmt: skip
    info["notes"] = [
        *_said_of_files(bad), *replace(usable, bad=(), left_out={}).remarks(), *notes, *_mixed(axes, modalities), *remarks,
        *contradictions(good),
        *notes_by_kind((one.entry.name, note) for one in good for note in one.notes), *_label_maps_as_images(good), *_unread(good),
    ]  # fmt: skip
    if any(entry.further for entry in usable):
        info |= _channels(good, data, info["notes"])
    if any(entry.mask for entry in usable):
        info |= _label_maps(good, parts, info["notes"])
        table = [{**row, "label map": e.mask.name if e.mask else ""} for row, e in zip(table, catalog)]
    if labels and len(usable):
        said, wrong = _labels(usable, parts, labels)
        info["notes"] += said
        info["refused"] += wrong
    if columns := column_counts(catalog):
        info["columns"] = columns
    return table, info


def column_counts(catalog: Catalog) -> dict[str, dict[str, int]]:
    """What the columns of a catalogue hold: {column: {value: images}}, most frequent first; "" is unknown.

    A column of numbers with many values is summed up as {"5 to 90": images}, one of texts as {"73 values": images}.
    """
    counts = {}
    for name in dict.fromkeys(column for entry in catalog for column in (*entry.labels, *entry.attributes)):
        found = Counter(field(entry, name) for entry in catalog)
        if len(found) > MOST_VALUES:
            known = [entry.labels[name] for entry in catalog if field(entry, name) and name in entry.labels]
            span = f"{min(known):g} to {max(known):g}" if known else f"{len(found)} values"
            found = Counter({span: len(catalog) - found[""], "": found[""]})
        counts[name] = {value: count for value, count in found.most_common() if count}
    return counts


def _which(entry: Entry) -> tuple[object, ...]:
    """What tells a row from the others, of which several may be about places of one image; a split may cut its slices."""
    return entry.image, entry.part, entry.view, entry.point, entry.frame


def _meant(splits: Sequence[PlannedSplit], catalog: Catalog, data: DataSpec) -> tuple[PlannedSplit, list[str], int]:
    """The use that the options mean, what there is to say about its split, and 1 where no training is possible.

    Where a pretraining alone is possible, it is that: a share for the test does not ask for a fine-tuning, as folds do.
    """
    of_task = data.folds or data.test_fraction or any(entry.split == "test" for entry in catalog)
    meant = splits[1 + data.fold] if of_task else splits[0]
    meant = splits[0] if meant.problem and not data.folds else meant
    if meant.problem:
        return meant, [f"No training is possible: {meant.problem}"], 1
    others = [f"No {other.use} is possible: {other.problem}" for other in splits if other.problem]
    return meant, [*meant.notes, *others], 0


def _said_of_files(bad: Sequence[tuple[str, str]]) -> list[str]:
    if not bad:
        return []
    listed = "; ".join(f"{file}: {reason}" for file, reason in bad)
    return [
        f"{len(bad)} {'file' if len(bad) == 1 else 'files'} cannot be used and are left out of a training: {listed}"
    ]


def _mixed(axes: set[int], modalities: Sequence[str]) -> list[str]:
    notes = []
    if len(axes) > 1:
        notes.append(
            "The set mixes 2D and 3D images: no method trains on both. Choose a view for the 3D ones, or part them"
        )
    if len(modalities) > 1:
        notes.append(f"The set mixes {' and '.join(modalities)}: train on one modality at a time")
    return notes


def _label_maps_as_images(seen: Sequence[Seen]) -> list[str]:
    """How to part images from what looks like label maps among them, and to pair them."""
    maps = [one.entry.image for one in seen if LABEL_MAP_NOTE in one.notes]
    images = [one.entry.image for one in seen if LABEL_MAP_NOTE not in one.notes]
    template, names = template_of(images, maps), {path.name for path in images}
    if not template:
        return []
    pattern = f"--pattern {f'**/{next(iter(names))}'!r} " if len(names) == 1 else ""
    return [
        f"{counted(len(maps), 'image')} of these may be label maps of the others: try {pattern}--masks {template!r}"
    ]


def _unread(seen: Sequence[Seen]) -> list[str]:
    unread = sum(not one.read for one in seen)
    return [f"Headers alone were read of {counted(unread, 'image')}; --read-all reads them too"] if unread else []


def _labels(catalog: Catalog, parts: Mapping[str, Catalog], labels: LabelSpec) -> tuple[list[str], int]:
    """What of the labels will hurt a training, and 1 where they prevent it."""
    try:
        known = read_labels(catalog, labels.hard())
        rows = {_which(entry): n for n, entry in enumerate(catalog)}
        targets = {name: known.targets[[rows[_which(e)] for e in part]] for name, part in parts.items() if len(part)}
        for name in targets.keys() & {"training", "validation"}:
            check_classes(replace(known, targets=targets[name]), name)
    except (CatalogError, ConfigError) as error:
        return [f"No training is possible: {error}"], 1
    return class_notes(known.names, known.kind, targets), 0


def _channels(seen: Sequence[Seen], data: DataSpec, notes: list[str]) -> dict[str, Any]:
    """The channels' names with their modalities, where images were read; what is wrong with these is noted."""
    read = [one for one in seen if one.read]
    if not read:
        return {}
    kinds = [sorted({one.channels[n] for one in read}) for n in range(len(read[0].channels))]
    names = channel_names([one.entry for one in read], [" or ".join(kind) for kind in kinds], data.channel_names)
    for name, kind in zip(names[1:], kinds[1:]):
        if len(kind) > 1:
            notes.append(
                f"The channel {name} mixes {' and '.join(kind)}: state the modality of each (modality_1), or mend the table"
            )
    notes += fit_notes((one.entry.name, name, fit) for one in read for name, fit in zip(names[1:], one.fits))
    return {"channels": ", ".join(n if n == k[0] else f"{n} ({' or '.join(k)})" for n, k in zip(names, kinds))}


def _label_maps(seen: Sequence[Seen], parts: Mapping[str, Catalog], notes: list[str]) -> dict[str, Any]:
    """How many there are, and their values; images without one, and parts in which nothing is labelled, are noted."""
    labelled = [one for one in seen if one.entry.mask]
    if lacking := len(seen) - len(labelled):
        missing = next(one.entry.name for one in seen if not one.entry.mask)
        notes.append(
            f"{counted(lacking, 'image')} {have(lacking)} no label map ({missing}): no segmentation can be learnt from {'it' if lacking == 1 else 'them'}"
        )
    values = {one.entry.image: one.values for one in labelled if one.values is not None}
    of_parts = {name: [values[e.image] for e in part if e.image in values] for name, part in parts.items()}
    notes += label_map_notes(of_parts)
    found = sorted({value for one in values.values() for value in one} - {0})
    return {"label_maps": len(labelled), "label_values": ", ".join(map(str, found))}
