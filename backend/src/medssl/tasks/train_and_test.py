"""What all trained tasks do alike: begin with weights, train, take the best on validation, measure once, say what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core import seeds
from medssl.core.errors import TrainingError
from medssl.core.plan import Plan
from medssl.core.protocol import JobSpec
from medssl.core.run import Run
from medssl.core.schema import as_dict
from medssl.datasets.cache.filling import notes_of
from medssl.datasets.splits.kept_split import split_rows
from medssl.evaluation.verdicts import UNDERTRAINED
from medssl.jobs.split_record import Begun, begun_with, write_begun
from medssl.networks.layers import head_names, parameter_groups, rest_norms, set_class_prior
from medssl.networks.memory_format import channels_last
from medssl.networks.weights.members import member
from medssl.networks.weights.rescaling import convolution_norms, rescale
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import WeightFile, load_weights, open_weights, save_weights
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits
from medssl.tasks.start import start_notes
from medssl.tasks.transfer_config import TransferConfig
from medssl.training.batch_size import choose_batch
from medssl.training.fabric import make_fabric
from medssl.training.loop import Loop

MODEL = "results/model.safetensors"
FEWEST_VALIDATIONS = 3  # before the last one can say that training was too short
NEVER = 2**31  # the step at which what stays frozen begins to learn


class Trained(Protocol):
    """A task that a network is trained for; beside this it has the `views`, `loss`, `after_step` and `plan` of a method."""

    config: Any
    parts: LabelledSplits
    rivals: bool
    remarks: tuple[str, ...]

    def network(self) -> nn.Module:
        """With a new head, untrained."""

    def class_shares(self) -> Tensor | None:
        """How common each class is, with which a new head begins to answer; None: as the head is initialised."""

    def dataset(self, part: LabelledSplit, seed: int) -> Dataset:
        """Training samples."""

    def measure(self, network: nn.Module, device: str) -> dict[str, float]:
        """`validation_loss` and more, over the validation images."""

    def plan(self) -> Plan:
        """The header of the weights."""

    def finish(self, network: nn.Module, run: Run) -> tuple[Plan, dict[str, Any]]:
        """Tables and report in the run's results; the final header, and the headline numbers with the verdict."""


def open_start(spec: JobSpec) -> WeightFile | None:
    """The weights that a task begins with; of a file with student and teacher, the student, of an ensemble its first member."""
    return member(open_weights(spec.start_from), 0) if spec.start_from else None


def train_and_test(task: Any, spec: JobSpec, run: Run, file: WeightFile | None) -> dict[str, Any]:
    """Train, choose by validation, measure on the test images; the headline numbers.

    Raises:
        WeightsError: the weights do not fit.
        TrainingError: the validation loss was NaN or infinite at every validation.
        CancelledError: a cancel was asked for; a checkpoint was written.
    """
    chosen = choose_batch(task.config, run, lambda _: (task, task.dataset(task.parts.training, 0)))
    if chosen:
        task.config = chosen.applied(task.config)
    config = task.config
    fabric = make_fabric(config.training, run.device)
    fabric.launch()
    torch.manual_seed(seeds.derive(config.training.seed, "weights"))
    network = task.network()
    norms = convolution_norms(network)
    report = transfer(network, file, spec.partial_weights) if file else None
    if file and config.transfer.rescale:
        rescale(network, norms)
    if (shares := task.class_shares()) is not None:
        set_class_prior(network, report.new if report else head_names(network), shares)
    loop = Loop(fabric, task, network, run, _groups(network, config))
    if fabric.is_global_zero:
        _report_start(run, task, network, fabric.strategy.precision.precision)
        for warning in chosen.warnings() if chosen else ():
            run.emit("warning", step=0, **warning)
        for note in start_notes(file, task.parts.geometry):
            run.emit("warning", step=0, code="start", message=note, remedy="")
        text = report.text() if report else "No weights to begin with: everything is learnt from the labels"
        run.emit(
            "transfer", text=text, matched=len(report.matched) if report else 0, new=len(report.new) if report else 0
        )
    dataset = task.dataset(task.parts.training, seeds.derive(config.training.seed, "training"))
    loop.train(dataset, lambda bare: task.measure(bare, str(fabric.device)))
    task.rivals, task.remarks = spec.rivals, (UNDERTRAINED,) if _best_was_last(loop) else ()
    if not fabric.is_global_zero:
        return {}
    headline = finish(task, run, fabric)
    run.emit("finished", step=loop.progress.step, model=MODEL, validation_loss=loop.progress.best)
    return headline


def finish(task: Trained, run: Run, fabric: Fabric) -> dict[str, Any]:
    """Measure the best weights, and write what was learnt of them (thresholds, calibration) into their header.

    They are measured in the precision of training, in which they were also chosen.
    """
    path = run.folder / MODEL
    if not Path(path).is_file():
        raise TrainingError(
            "validation loss",
            "was NaN or infinite at every validation",
            "Lower the learning rate or train in fp32",
            code="loss-nan",
        )
    network = channels_last(load_weights(path)).to(fabric.device)
    with fabric.autocast():
        plan, headline = task.finish(network, run)
    save_weights(path, {name: tensor.cpu() for name, tensor in network.state_dict().items()}, plan)
    verdict = headline.pop("verdict")
    run.emit("evaluation", **headline)
    run.emit("verdict", **verdict)
    return headline


def _best_was_last(loop: Loop) -> bool:
    """Whether a training of several validations ended with its best."""
    config, progress = loop.config, loop.progress
    enough = progress.step >= config.steps and progress.step // config.validate_every >= FEWEST_VALIDATIONS
    return enough and progress.since_best == 0


def rest_frozen(network: Any, config: TransferConfig, step: int) -> None:
    """Keep the batch norms of a backbone that does not learn yet to their running statistics."""
    if config.freeze == "backbone" and step < (config.freeze_steps or NEVER):
        rest_norms(network)


def _groups(network: Any, config: Any) -> list[dict[str, Any]]:
    groups = parameter_groups(network, config.training.weight_decay, config.transfer.layer_decay)
    if config.transfer.freeze == "backbone":
        for group in groups:
            if not group["head"]:
                group["frozen_until"] = config.transfer.freeze_steps or NEVER
    return groups


def _report_start(run: Run, task: Trained, network: nn.Module, precision: str) -> None:
    parts, geometry = task.parts, task.parts.geometry
    held = {"training": parts.training, "validation": parts.validation, "test": parts.test}
    if begun_with(run) is None:
        rows = split_rows({name: part.entries for name, part in held.items()})
        about = (*parts.about, *notes_of(parts.skipped, parts.count + len(parts.skipped)))
        write_begun(run.folder, Begun(tuple(rows), parts.kind, parts.names, parts.notes, about))
    run.emit(
        "started", device=run.device, precision=precision, steps=task.config.training.steps, **task.parts.sizes(),
        geometry=geometry.text() if geometry.recorded else "",
        parameters=sum(p.numel() for p in network.parameters()), config=as_dict(task.config),
    )  # fmt: skip
    for note in task.parts.notes:
        run.emit("warning", step=0, code="split", message=note, remedy="Fill the split column, or leave it out")
    for warning in task.parts.warnings():
        run.emit("warning", step=0, **warning)
    for remark in task.parts.remarks:
        run.emit("warning", step=0, code="images", message=remark, remedy="")
