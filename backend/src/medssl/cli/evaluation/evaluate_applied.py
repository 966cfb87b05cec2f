"""What `medssl evaluate` measures where a model is applied first, and what the record of predictions says."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medssl.cli.evaluation.applying import apply_here, images_of, split_name
from medssl.cli.evaluation.evaluate_seen import notes_on_seen
from medssl.core.errors import CatalogError, InputError, be, counted, have, listed
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec
from medssl.pretraining.seen import NO_TEST
from medssl.tasks.history.recorded_split import recorded_split, training_notes

if TYPE_CHECKING:
    from medssl.datasets.entry import Entry
    from medssl.evaluation.label_map_pairs import Pair
    from medssl.evaluation.prediction_tables import Predictions
    from medssl.images.segment_classes import SegmentClasses

NAMED = 5  # images that notes name


def apply_first(
    model: str, source: list[str], labels: str, settings: dict[str, str], split: str, trained_too: bool, output: Path,
    device: str, home: Path | None,
) -> Any:  # fmt: skip
    """Apply a model to data; the predictions or the pairs of label maps, the model's thresholds and kind of task.

    Of these images alone, whatever the output holds of earlier ones, and with labels as the data say now. Also notes on images
    that the model was trained on, see `notes_on_seen` and `training_notes`.

    Raises:
        MedSSLError: see `apply_here`.
        CatalogError: an image failed, images lack label maps, no image of the split, or images that the model saw.
        InputError: labels that are not those of the model's classes.
    """
    from medssl.core.capabilities import HEADS
    from medssl.core.plan import read_plan
    from medssl.datasets.entry import shown
    from medssl.evaluation.prediction_tables import read_predictions
    from medssl.inference.models import model_path
    from medssl.networks import capabilities_of
    from medssl.tasks.apply.output import record_of
    from medssl.tasks.apply.table_choices import choices_of

    path = model_path(home_folder(home), model)
    plan = read_plan(path) if path.suffix == ".safetensors" else None
    task = plan.task if plan else {}
    applied = output / "applied"
    job = str(plan.provenance.get("job", "")) if plan else ""
    data, entries, seen = _asked(home_folder(home), source, split, job)
    if plan and HEADS in capabilities_of(plan):
        seen += notes_on_seen(home_folder(home), job, (one.image for one in entries), trained_too or _no_test(seen))
    elif not _no_test(seen):
        seen += training_notes(home_folder(home), job, [one.image for one in entries], [one.patient for one in entries])
    keep = {shown(entry) for entry in entries}
    index = apply_here(model, data, {"output": str(applied), **settings}, device, home, False, keep)
    rows = [row for row in index if row["image"] in keep]
    failed = [row for row in rows if row["status"] != "done"]
    if failed:
        rule = f"failed; the first: {failed[0]['error']}"
        remedy = "Correct them or take them out of the dataset"
        raise CatalogError(f"{len(failed)} of {counted(len(rows), 'image')}", rule, remedy, code="images-failed")
    if not (applied / "predictions.csv").is_file():
        pairs, left_out = pairs_of(rows, entries, applied)
        return (pairs, written_classes(applied), seen + left_out), {}, "auto", seen
    path = applied / "predictions.csv"
    table = _with_findings(read_predictions(path), record_of(path)) if labels else read_predictions(path)
    table = _of_images(table, keep)
    columns, kind = (
        labels or task.get("labels", ""),
        task.get("kind") or choices_of(path, table.names, home_folder(home)).kind,
    )
    table = _with_labels(table, entries, columns, kind) if columns else table
    return table, task.get("thresholds", {}), kind, seen


def _asked(home: Path, source: list[str], split: str, job: str) -> tuple[DataSpec, list[Entry], list[str]]:
    """The data, those of its images that are asked for, and a note where the split is the one that the model's job drew.

    Raises:
        CatalogError: no image of the split.
    """
    from medssl.datasets.catalog.catalog import read_catalog

    split = split_name(split)
    if split and job:
        whole = images_of(source, "", "", "", "")
        entries = list(read_catalog(whole, home, channels=True))
        named = any(entry.split for entry in entries)
        if not named and (recorded := recorded_split(home, job)):
            chosen = recorded.of(entries, split)
            no_test = f"{NO_TEST}: " if split != "test" else ""
            return whole, chosen, [no_test + recorded.note(split, len(chosen))]
    data = images_of(source, "", "", "", split)
    return data, list(read_catalog(data, home, channels=True)), []


def _no_test(notes: Sequence[str]) -> bool:
    return any(NO_TEST in note for note in notes)


def pairs_of(rows: list[dict[str, str]], entries: list[Entry], applied: Path) -> tuple[list[Pair], list[str]]:
    """Pairs of the images that have a label map, and notes on the others."""
    from medssl.datasets.entry import attributes, shown
    from medssl.evaluation.label_map_pairs import Pair

    files = {row["image"]: applied / row["output"] for row in rows}
    pairs = [
        Pair(shown(entry), entry.patient, files[shown(entry)], entry.mask, attributes(entry), entry.image)
        for entry in entries
        if entry.mask and not entry.view
    ]
    notes = _left_out([one.name for one in entries if not one.mask], "without a label map in the data")
    notes += _left_out([one.name for one in entries if one.mask and one.view], "in a view, on which no label map lies,")
    if not pairs:
        rule = f"{have(len(entries))} no label map in the data that lies on them"
        remedy = "Add a column mask, or segment them and measure the folder: medssl evaluate FOLDER --truth LABELS"
        raise CatalogError(counted(len(entries), "image"), rule, remedy, code="no-label-maps")
    return pairs, notes


def _left_out(names: Sequence[str], why: str) -> list[str]:
    if not names:
        return []
    return [f"{counted(len(names), 'image')} {why} {be(len(names))} left out: {listed(names, NAMED)}"]


def _of_images(table: Predictions, keep: Container[str]) -> Predictions:
    """The rows of some images, with the attributes that any of them has."""
    from dataclasses import replace

    import numpy as np

    rows = table.rows(np.array([image in keep for image in table.images]))
    return replace(rows, attributes={name: values for name, values in rows.attributes.items() if any(values)})


def _with_findings(table: Predictions, record: Mapping[str, Any]) -> Predictions:
    """The table of an Ark with all its findings, also those whose labels the catalogue does not have by name."""
    from dataclasses import replace

    import numpy as np

    more = [name for name in record.get("columns", ()) if name not in table.names]
    added = np.array([table.attributes[name] for name in more], float).reshape(len(more), len(table)).T  # (N, more)
    return replace(
        table, names=(*table.names, *more), probabilities=np.hstack([table.probabilities, added]),
        targets=np.hstack([table.targets, np.full(added.shape, np.nan)]),
    )  # fmt: skip


def _with_labels(table: Predictions, entries: list[Entry], labels: str, kind: str) -> Predictions:
    """The table with the targets of label columns; soft or uncertain ones are unknown."""
    from dataclasses import replace

    import numpy as np

    from medssl.datasets.catalog.catalog import Catalog
    from medssl.datasets.catalog.labels import LabelSpec, read_labels
    from medssl.datasets.entry import shown
    from medssl.tasks.label_columns import label_columns

    found = read_labels(Catalog(tuple(entries)), LabelSpec(label_columns(labels), kind))
    missing = [name for name in table.names if name not in found.names]
    if missing:
        rule = f"name no class {missing[0]!r} of the model (they name {', '.join(found.names)})"
        remedy = "Give the columns that the model was trained on"
        raise InputError(f"labels {labels!r}", rule, remedy, code="labels-of-other-classes")
    place = {shown(entry): n for n, entry in enumerate(entries)}
    columns = [list(found.names).index(name) for name in table.names]
    return replace(table, targets=np.asarray(found.targets)[[place[image] for image in table.images]][:, columns])


def heads_note(table: Path) -> list[str]:
    """The note on which heads of an Ark the columns of a table are; none for tables of another origin."""
    from medssl.tasks.apply.output import record_of

    record = record_of(table)
    if "columns" not in record:
        return []
    sets = f"The model learnt from the sets {', '.join(record['sets'])}"
    if not record["asked"]:
        return ["Heads fixed beforehand: each column is one class of one head, none are averaged", sets]
    said = "; ".join(f"{name}: {heads}" for name, heads in record["columns"].items())
    return [f"Heads fixed beforehand, by the names of findings. {said}", sets]


def notes_of_table(path: Path, table: Predictions, home: Path, trained_too: bool) -> list[str]:
    """Notes on images that an Ark was trained on, for a table that it made; none for others.

    Raises:
        CatalogError: see `notes_on_seen`.
    """
    from medssl.tasks.apply.output import record_of

    record = record_of(path)
    return notes_on_seen(home, record.get("job", ""), table.images, trained_too) if "columns" in record else []


def written_classes(folder: Path) -> SegmentClasses | None:
    """What `medssl segment` wrote of its classes."""
    from medssl.core.tables import read_table
    from medssl.images.segment_classes import Segment, SegmentClasses

    if not (folder / "classes.csv").is_file():
        return None
    rows = read_table(folder / "classes.csv").rows
    return SegmentClasses(tuple(Segment(int(row["value"]), row["name"]) for row in rows))
