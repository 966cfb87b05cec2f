"""Training data of methods that learn from dataset specs: one or several datasets with labels; no image is opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medssl.core.errors import CatalogError
from medssl.core.files import write_atomic
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import implementation
from medssl.core.run import Run
from medssl.datasets.cache.prepared_images import no_room_for
from medssl.datasets.spec.read_dataset import read_dataset
from medssl.datasets.spec.set_parts import SetPart, set_parts
from medssl.datasets.spec.spec import DatasetSpec, check_names
from medssl.datasets.spec.table_stream import Progress
from medssl.datasets.splits.leakage import LeakageCheck, test_images
from medssl.networks.weights.weight_files import WeightFile
from medssl.pretraining import METHODS
from medssl.pretraining.kind_of_data import check_kind_of_data
from medssl.pretraining.training_data import TrainingData, provenance


def read_spec_data(spec: JobSpec, run: Run, config: Any, start: WeightFile | None = None) -> TrainingData:
    """Datasets as columns, and the method that learns from them.

    Raises:
        InputError: anything but dataset specs.
        CatalogError: a dataset spec that its tables do not fulfil, or two of one name.
    """
    check_kind_of_data(spec.method, spec.data)
    warnings: list[dict[str, str]] = []
    parts = read_set_parts(spec.data, config.training.seed, lambda _, text: run.progress(0, 1, text), warnings)
    training, validation = [part for part, _ in parts], [part for _, part in parts]
    count, measured = (sum(len(part.images) for part in one) for one in (training, validation))
    check_datasets_unchanged(run.folder / "sets.json", parts)
    note = no_room_for(run.home, count + measured, config.kept_side) if config.keep_images else ""
    method = implementation(METHODS, spec.method)(
        config, training, _provenance(spec, run, training, start), start,
        None if note else prepared_folder(run.home), images_per_step(config),
    )  # fmt: skip
    sizes = {
        "training": count, "validation": measured,
        "sets": {a.name: {"training": len(a.images), "validation": len(b.images)} for a, b in parts},
    }  # fmt: skip
    return TrainingData(method, training, validation, sizes, note, "disk", method.uses_parts, tuple(warnings))


def read_set_parts(
    data: DataSpec, seed: int, progress: Progress, warnings: list[dict[str, str]] | None = None
) -> list[tuple[SetPart, SetPart]]:
    """The training and the validation images of each dataset. `warnings` takes what is odd in tables.

    Raises:
        CatalogError: see `read_dataset`, `set_parts`; two datasets of one name; or an image that trains in one dataset and is
            held out in another.
    """
    dataset_specs = [DatasetSpec.from_dict(given) for given in data.sets]
    check_names(dataset_specs)
    parts, leakage = [], LeakageCheck()
    for number, dataset_spec in enumerate(dataset_specs):
        now = f"reading set {number + 1} of {len(dataset_specs)}: {dataset_spec.name}"
        progress(0.0, now)
        dataset = read_dataset(
            dataset_spec,
            lambda share, text, now=now: progress(share, f"{now}, {text}"),  # type: ignore[misc]
            warnings,
        )
        training, validation = set_parts(dataset, data.validation_fraction, seed)
        parts.append((training, validation))
        leakage.add(dataset.name, training.images, [*validation.images, *test_images(dataset)])
    leakage.check()
    return parts


def check_datasets_unchanged(path: Path, parts: Sequence[tuple[SetPart, SetPart]]) -> None:
    """Write a digest of every dataset into a run's folder, or compare the datasets with those that are there.

    Raises:
        CatalogError: a dataset is not what the run began with.
    """
    digests = {training.name: [_digest(training), _digest(validation)] for training, validation in parts}
    if not path.exists():
        write_atomic(path, json.dumps(digests).encode())
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    changed = next((name for name, digest in digests.items() if begun.get(name) != digest), "")
    if changed:
        raise CatalogError(
            f"set {changed}",
            "is not what this run began with: its tables changed",
            "Put them back, or start a new run",
            code="dataset-changed",
        )


def prepared_folder(home: Path) -> Path:
    """Where decoded images of datasets are kept."""
    return home / "cache" / "prepared"


def images_per_step(config: Any) -> int:
    """Images of an optimiser step, over all micro-batches and processes."""
    training = config.training
    return training.batch_size * training.accumulate * training.devices * training.nodes


def _provenance(spec: JobSpec, run: Run, training: Sequence[SetPart], start: WeightFile | None) -> dict[str, Any]:
    """With the datasets and licences that the weights to begin with name, too."""
    before = start.plan.provenance if start else {}
    licences = {str(given["name"]): str(given["licence"]) for given in spec.data.sets if given.get("licence")}
    about = {
        **provenance(spec, run, sum(len(part.images) for part in training)),
        "sets": {**(before.get("sets") or {}), **{part.name: len(part.images) for part in training}},
        "licences": {**(before.get("licences") or {}), **licences},
    }
    if start and start.plan.licence:
        about["start_licence"] = start.plan.licence
    return about


def _digest(part: SetPart) -> str:
    digest = hashlib.sha256("\n".join([part.kind, *part.classes, str(part.inverted), *part.images]).encode())
    digest.update(np.ascontiguousarray(part.targets).tobytes())
    return digest.hexdigest()
