"""The split of a job that recorded none, drawn again by the code and the settings of that job, where its data are what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medssl.core.errors import CatalogError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.jobs.split_record import read_split
from medssl.jobs.store import JobStore
from medssl.tasks.history.split_part import Part


def redrawn_parts(store: JobStore, job: str) -> list[Part]:
    """The images of a job; none of a job that learnt without labels.

    Raises:
        NotFoundError, StateError: no such job, or one that cannot be read.
        CatalogError: its data are not what they were when it began, or images of them could not be read then.
    """
    spec = store.spec(job)
    of_sets = spec.kind == "pretrain" and bool(spec.data.sets)
    if not of_sets and spec.kind not in ("finetune", "probe"):
        return []
    if "unreadable-image" in {event.get("code") for event in _warnings(store, job)}:
        raise _changed(job, "could not be read in part when it began, and its split was drawn without these images")
    return _of_sets(spec, store.folder(job)) if of_sets else _of_catalogue(spec, store, job)


def _of_sets(spec: JobSpec, folder: Path) -> list[Part]:
    from medssl.pretraining.spec_data import check_datasets_unchanged, read_set_parts

    parts = read_set_parts(spec.data, spec.config["training"]["seed"], lambda share, text: None)
    if (folder / "sets.json").is_file():
        check_datasets_unchanged(folder / "sets.json", parts)
    names = ("training", "validation")
    return [Part(image, name) for pair in parts for name, part in zip(names, pair) for image in part.images]


def _of_catalogue(spec: JobSpec, store: JobStore, job: str) -> list[Part]:
    from medssl.datasets.splits.kept_split import keep_split
    from medssl.datasets.splits.split import split_for_task

    catalog, data = read_catalog(spec.data, store.home, channels=True), spec.data
    if any(_time(path) > store.status(job).created for path in _deciding(data, catalog)):
        raise _changed(job, "are newer than the job")
    if data.validation_of:
        catalog = keep_split(catalog, read_split(store.jobs / data.validation_of), data.validation_of)
        data = replace(data, test_fraction=0.0)
    split = split_for_task(catalog, data)
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    found = [Part(str(entry.image), name, entry.patient) for name, part in parts.items() for entry in part]
    _check_counts(found, spec, store, job)
    recorded = {(row["image"], row["split"]) for row in read_split(store.folder(job))}
    if not recorded <= {
        (row.image, row.split) for row in found
    }:  # what an earlier version wrote of its validation and test cases
        raise _changed(job, "give other validation or test images than it had")
    return found


def _check_counts(found: Sequence[Part], spec: JobSpec, store: JobStore, job: str) -> None:
    """Refuse parts of other sizes than the job had; of training images it may have taken fewer."""
    begun = store.last_events(job).get("started") or {}
    select = spec.config.get("select") or {}
    fewer = any(
        select.get(name, whole) != whole for name, whole in (("fraction", 1.0), ("patients", 0), ("per_class", 0))
    )
    for name in ("training", "validation", "test"):
        count, had = sum(row.split == name for row in found), begun.get(name)
        if had is not None and count != had and not (name == "training" and fewer and count > had):
            raise _changed(job, f"give {count} {name} images, and it had {had}")


def _deciding(data: DataSpec, catalog: Catalog) -> Sequence[Path]:
    """The files that decide which images there are: tables or, without any, the images themselves; none of a list of images."""
    if data.volumes:
        return ()
    if data.path and not Path(data.path).is_dir():
        return (Path(data.path),)
    from medssl.datasets.spec.spec import DatasetSpec

    specs = [DatasetSpec.from_dict(given) for given in data.sets]
    tables = [Path(spec.root, ref.file) for spec in specs for ref in spec.table_refs]
    return tables or [file for entry in catalog for file in (entry.files or (entry.image,))]


def _time(path: Path) -> float:
    """When a file came to be where it is, as it is: moved there with an old date, it counts as new. 0: it is not there."""
    return path.stat().st_ctime if path.exists() else 0.0


def _changed(job: str, rule: str) -> CatalogError:
    return CatalogError(f"the data of job {job}", rule, "Put them back as they were", code="dataset-changed")


def _warnings(store: JobStore, job: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    after = 0
    while True:
        events, after = store.events(job, after)
        if not events:
            return found
        found += [event for event in events if event["type"] == "warning"]
