"""The job kind "pretrain": from a job's spec to a trained weight file."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.errors import CancelledError, TrainingError
from medssl.core.protocol import JobSpec
from medssl.core.registry import CATALOGUE, DATASET_SPECS, config_class, entry, load
from medssl.core.run import Run
from medssl.core.schema import as_dict, build
from medssl.evaluation.learning import of_pretraining
from medssl.jobs.split_record import begun_with, write_begun
from medssl.networks.weights.weight_files import WeightFile, open_weights
from medssl.pretraining import METHODS
from medssl.pretraining.training_data import TrainingData
from medssl.training.batch_size import choose_batch
from medssl.training.fabric import make_fabric
from medssl.training.loop import Loop
from medssl.training.method import Method

READERS = {  # by the kind of data; only the one that is needed is imported
    CATALOGUE: "medssl.pretraining.volume_data:read_volume_data",
    DATASET_SPECS: "medssl.pretraining.spec_data:read_spec_data",
}
REMEDIES = {
    "one-patient": "Add volumes of further patients",
    "disk": "Free disk space, or set MEDSSL_HOME to a larger disk",
}


def pretrain(spec: JobSpec, run: Run) -> None:
    """Train `spec.method` on `spec.data`; leaves `results/model.safetensors` in the job folder.

    Raises:
        CatalogError: no usable training set.
        ConfigError: a setting is wrong.
        CancelledError: a cancel was asked for; a checkpoint was written.
    """
    config = build(config_class(METHODS, spec.method), spec.config)
    start = open_weights(spec.start_from) if spec.start_from else None
    chosen = choose_batch(config, run, lambda trial: _trial(spec, run, trial, start))
    config = chosen.applied(config) if chosen else config
    training_data = read_training_data(spec, run, config, start)
    method, seed = training_data.method, config.training.seed
    fabric = make_fabric(method.config.training, run.device, training_data.several_heads)
    fabric.launch()
    torch.manual_seed(seeds.derive(seed, "weights"))
    network = method.network()
    taken = method.begin(network, start, spec.partial_weights) if start else ""
    loop = Loop(fabric, method, network, run, method.groups(network))
    if fabric.is_global_zero:
        report_start(run, training_data, fabric.strategy.precision.precision, taken)
        for warning in chosen.warnings() if chosen else ():
            run.emit("warning", step=0, **warning)

    def said(done: int, total: int) -> None:
        if run.cancel_requested():
            raise CancelledError(f"features of images, {done} of {total}")
        if fabric.is_global_zero:
            run.progress(0, method.config.training.steps, f"computing features of images: {done} of {total}")

    method.prepare(loop.bare, training_data.training, training_data.validation, said)
    loop.train(
        method.dataset(training_data.training, seeds.derive(seed, "training")),
        method.validation(training_data.validation, seeds.derive(seed, "validation")),
    )
    if fabric.is_global_zero:
        if not loop.model_file.is_file():
            raise TrainingError(
                "validation loss", "was always NaN", "Lower the learning rate or train in fp32", code="loss-nan"
            )
        if verdict := of_pretraining(loop.progress.best, loop.values):
            run.emit("verdict", **verdict.as_dict())
        run.emit(
            "finished", step=loop.progress.step, model="results/model.safetensors", validation_loss=loop.progress.best
        )


def read_training_data(spec: JobSpec, run: Run, config: Any, start: WeightFile | None = None) -> TrainingData:
    """The method and its training data, by the reader for the kind of data that the method trains on.

    Raises:
        CatalogError: no usable training set. InputError: the method trains on another kind of data.
    """
    return load(READERS[entry(METHODS, spec.method).data])(spec, run, config, start)


def _trial(spec: JobSpec, run: Run, config: Any, start: WeightFile | None) -> tuple[Method, Dataset]:
    data = read_training_data(spec, run, config, start)
    return data.method, data.method.dataset(data.training, seed=0)


def report_start(run: Run, training_data: TrainingData, precision: str, taken: str) -> None:
    """The `started` event, what was taken from weights, and a warning where the split is not what one would wish; and the record."""
    if training_data.begun and begun_with(run) is None:
        write_begun(run.folder, training_data.begun, labelled=False)
    config, geometry = training_data.method.config, training_data.method.plan().geometry
    run.emit(
        "started", device=run.device, precision=precision, steps=config.training.steps, **training_data.sizes,
        config=as_dict(config), geometry=geometry.text() if geometry.recorded else "",
    )  # fmt: skip
    if taken:
        run.emit("transfer", text=taken)
    for warning in training_data.warnings:
        run.emit("warning", step=0, **warning)
    for remark in training_data.remarks:
        run.emit("warning", step=0, code="images", message=remark, remedy="")
    for odd in training_data.table_warnings:
        message = f"{odd['value']}: {odd['rule']}"
        run.emit("warning", step=0, code="declaration", message=message, remedy=odd["remedy"])
    if training_data.note:
        run.emit(
            "warning", step=0, code=training_data.code, message=training_data.note, remedy=REMEDIES[training_data.code]
        )
