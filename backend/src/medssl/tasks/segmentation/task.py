"""Segmentation: a pretrained network learns to label voxels (Genesis: the whole U-Net; PEAC: Swin with a pyramid decoder)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.augment import mirrors
from medssl.core.plan import Channel, Plan
from medssl.core.protocol import VERSION, JobSpec
from medssl.core.run import Run
from medssl.datasets.crops.loader import micro_batches
from medssl.datasets.crops.radiograph_segmentation import RadiographSegmentationDataset
from medssl.datasets.crops.segmentation_crops import SegmentationDataset
from medssl.datasets.crops.slices import SliceDataset
from medssl.datasets.geometry import training_geometry
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.evaluation.metrics.segmentation_metrics import MEAN, mean_known
from medssl.images.geometry_config import geometry_rule
from medssl.images.intensity.normalise import normalise
from medssl.inference.mirroring import MIRRORED
from medssl.inference.volumes.axes import FLAT
from medssl.inference.volumes.segmenter import segment_image
from medssl.inference.volumes.sliding import CROP
from medssl.jobs.split_record import begun_with
from medssl.networks import SWIN, family_of
from medssl.networks.network import Network
from medssl.networks.reestimation import reestimate
from medssl.networks.standardisation import standardised
from medssl.networks.weights.weight_files import WeightFile, build_network
from medssl.tasks.architecture import segmentation_network
from medssl.tasks.earlier import ALIKE, PLANNED, augmentation
from medssl.tasks.label_columns import attribute_groups
from medssl.tasks.labelled_data import (
    LabelledSplit,
    LabelledSplits,
    check_groups,
    dimension,
    read_parts,
    with_geometry,
)
from medssl.tasks.planning.plan import Planned
from medssl.tasks.planning.plan_text import plan_text
from medssl.tasks.planning.pooling import Pooling
from medssl.tasks.rivals.label_look import overlaps
from medssl.tasks.segmentation.classes import classes_of, form_of
from medssl.tasks.segmentation.config import SegmentationConfig
from medssl.tasks.segmentation.loss import loss_of, make_loss
from medssl.tasks.segmentation.measuring import Held, Measured, no_rivals, rivals_beside
from medssl.tasks.segmentation.planning import planned_for, settled, setup_of
from medssl.tasks.segmentation.spacing import planned_spacing
from medssl.tasks.start import check_channels, check_windows, further_normalisations, start_normalisation, with_history
from medssl.tasks.train_and_test import open_start, rest_frozen, train_and_test
from medssl.training.method import PlainMethod

FEW = 8  # samples of a batch below which batch norms' statistics are estimated anew
LOOKED_AT = 32  # crops that this takes


@dataclass(frozen=True)
class SegmentationViews:
    """What the network sees, (N, channels, *spatial) in 0...1 (standardised for Swin), and class numbers (N, 1, *spatial)."""

    images: Tensor
    masks: Tensor


class Segmentation(PlainMethod):
    """The training step on one screen: crop -> normalise -> augment -> logits -> Dice.

    Args:
        config: every setting.
        parts: images and label maps.
        file: the weights to begin with; None: from scratch.
        provenance: what the weights' header tells of their origin.
        version: of the job's spec.
        plan: what was planned; None: of an earlier version, everything is in the settings.

    Raises:
        ConfigError: a network that does not fit the form.
        VolumeError: a label map of any part with a value that is no class, or nothing labelled in the training images.
    """

    rivals = True  # are to be held against the model
    remarks: tuple[str, ...] = ()  # on the training, for the verdict

    def __init__(
        self,
        config: SegmentationConfig,
        parts: LabelledSplits,
        file: WeightFile | None,
        provenance: dict[str, Any] | None = None,
        version: int = VERSION,
        plan: Planned | None = None,
    ) -> None:
        self.config, self.parts, self.provenance, self.planned = config, parts, provenance or {}, plan
        self._alike = version >= ALIKE
        axes = dimension(parts)
        self.form, self.context = form_of(config, parts)
        self.classes = classes_of(config, file, parts)
        self.normalisation = start_normalisation(config.normalisation, file, parts.modality)
        self.further = further_normalisations(config.normalisation, file, parts.modalities)
        check_windows(parts, (self.normalisation, *self.further))
        count = 1 + len(self.further)
        check_channels(count, self.form)
        method, arguments = segmentation_network(
            config, self.form, self.classes.count + 1, count * (1 + 2 * self.context), file.plan if file else None,
            self._pooling(),
        )  # fmt: skip
        self._plan = self._first_plan(method, arguments, file)
        self.size = self._sample_size(axes)
        window = config.window if self.form == "3d" and all(config.window) else self.size
        self._plan = replace(self._plan, input_size=window)
        self._loss = make_loss(config.loss, version)
        spacing = tuple(self._plan.task["spacing"]) if self.form == "3d" else ()
        self._augment = augmentation(config.augmentation, len(self.size), axes == 3, spacing, version, count)

    def network(self) -> Network:
        """The network with a new head; its backbone untrained."""
        network = build_network(self._plan)
        network.plan = self._plan
        return network

    def class_shares(self) -> Tensor | None:
        """Of the voxels of some training crops, background first; (classes + 1,)."""
        if not self._alike:
            return None
        crops = self.dataset(self.parts.training, 0)
        count = torch.zeros(self.classes.count + 1)
        for n in range(LOOKED_AT):
            count += torch.bincount(crops[n]["mask"].flatten().long(), minlength=len(count))
        return count / count.sum()

    def dataset(self, part: LabelledSplit, seed: int) -> Dataset:
        """Random crops of images with their label maps."""
        config = self.config
        pairs = (part.images, part.masks, self.classes)
        centred = self.planned is not None and self.planned.centred
        if self.form == "3d":
            return SegmentationDataset(
                *pairs,
                config.crop,
                self.normalisation,
                config.foreground_share,
                seed,
                self.further,
                centred,
                self._alike,
            )
        rows, columns = self.size
        if dimension(self.parts) == 2:
            return RadiographSegmentationDataset(*pairs, rows, self.normalisation, seed)
        size, share = (rows, columns), config.foreground_share
        return SliceDataset(*pairs, size, self.normalisation, share, seed, self.context, centred, self._alike)

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> SegmentationViews:
        """Normalise and augment crops."""
        images = normalise(batch["raw"], batch["window"])  # (N, channels, *spatial), 0...1
        images, masks = self._augment(images, batch["mask"], generator)
        assert masks is not None
        return SegmentationViews(self._laid_out(images), masks)

    def loss(self, network: nn.Module, views: SegmentationViews) -> dict[str, Tensor]:
        """Soft Dice of the classes over the batch as a whole, with cross-entropy or focal loss as the config says."""
        return {"loss": loss_of(self._loss, network(views.images), views.masks)}

    def measure(self, network: Network, device: str) -> dict[str, float]:
        """Mean Dice over cases and classes of the whole validation images; `validation_loss` is what lacks to 1.

        A class that neither truth nor answer shows has none. Where nothing at all is labelled, `validation_loss` is the
        training's loss over fixed crops: a Dice would judge by false findings alone.
        """
        if self._reestimated():
            reestimate(network, self._crops(device))
        found: dict[str, list[float | None]] = {}
        for dice in self._dice_of_cases(self.parts.validation, network):
            for name, value in zip((*self.classes.names, MEAN), (*dice, mean_known(dice))):
                found.setdefault(name, []).append(value)
        means = {name: value for name, values in found.items() if (value := mean_known(values)) is not None}
        if not any(set(mask.values) - {0} for mask in self.parts.validation.masks):
            return {"validation_loss": self._crop_loss(self.parts.validation, network, device)}
        per_class = {f"validation_dice_{name}": value for name, value in means.items() if name != MEAN}
        return {"validation_loss": 1.0 - means[MEAN], "validation_dice": means[MEAN], **per_class}

    def _crop_loss(self, part: LabelledSplit, network: Network, device: str) -> float:
        """The loss over fixed crops of a part, as they are."""
        config = self.config.training
        numbers = list(range(config.validation_samples))
        groups = [numbers[n : n + config.batch_size] for n in range(0, len(numbers), config.batch_size)]
        total = 0.0
        for batch in micro_batches(self.dataset(part, 0), groups):
            images = normalise(batch["raw"].to(device), batch["window"].to(device))
            answers = network(self._laid_out(images))
            total += float(loss_of(self._loss, answers, batch["mask"].to(device))) * len(images)
        return total / len(numbers)

    def _reestimated(self) -> bool:
        config = self.config
        small = config.training.batch_size < FEW and config.transfer.freeze == "none"
        return self.planned is not None and config.reestimate_norms and small

    def _crops(self, device: str) -> Iterator[Tensor]:
        """Fixed training crops as they are, batch by batch."""
        size = self.config.training.batch_size
        numbers = [list(range(n * size, (n + 1) * size)) for n in range(max(1, LOOKED_AT // size))]
        for batch in micro_batches(self.dataset(self.parts.training, 0), numbers):
            yield self._laid_out(normalise(batch["raw"].to(device), batch["window"].to(device)))

    def before_step(self, network: nn.Module, step: int) -> None:
        """A frozen backbone's batch norms keep to their statistics."""
        rest_frozen(network, self.config.transfer, step)

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return self._plan

    def finish(self, network: Network, run: Run) -> tuple[Plan, dict[str, Any]]:
        """Measure the chosen weights on validation and test images, once, and leave tables, label maps and a report.

        Returns:
            The plan, and the headline numbers {"validation": {...}, "test": {...}}.
        """
        network.plan = self._plan  # a finish that was killed may have left its choices in the file
        validation, test = [Held(self.parts.validation, network)], Held(self.parts.test, network)
        beside = partial(rivals_beside, self.measured(), self.parts, run) if self.rivals else no_rivals
        return self.measured().finish(validation, test, self._plan, run, beside=beside, remarks=self.remarks)

    def measured(self) -> Measured:
        """How whole images are measured."""
        notes = tuple(self.parts.every_note())
        return Measured(self.config, self.classes, self.normalisation, notes, self.config.training.steps)

    def _dice_of_cases(self, part: LabelledSplit, network: Network) -> Iterator[list[float | None]]:
        """The Dice of each class of each whole image, by the road that users take; surfaces would take their time."""
        measured = self.measured()
        for n, image in enumerate(part.images):
            numbers = self.classes.index(segment_image(image.whole(), network, self.config.overlap).labels.array)
            dice = overlaps(numbers, measured.truth(part, n), self.classes.count).tolist()
            yield [None if value != value else value for value in dice]

    def _laid_out(self, images: Tensor) -> Tensor:
        if family_of(self._plan) == SWIN:
            return standardised(images, self._plan.network.get("standard", "cxr"))
        if not self.config.training.channels_last:
            return images
        layout = torch.channels_last_3d if images.ndim == 5 else torch.channels_last
        return images.contiguous(memory_format=layout)

    def _sample_size(self, axes: int) -> tuple[int, ...]:
        if self.form == "3d":
            return self.config.crop
        if side := self.network().side:
            return side, side
        along_i, along_j, _ = self.config.crop
        if axes == 2:
            return along_i, along_i
        return (along_j, along_i) if self._alike else (along_i, along_j)  # rows lie along j

    def _pooling(self) -> Pooling | None:
        """The planned stages in the order of the network's axes: rows of a slice lie along j."""
        if self.planned is None:
            return None
        stages = self.planned.pooling
        return stages.turned() if self.form != "3d" and self._alike else stages

    def _first_plan(self, method: str, arguments: dict[str, Any], file: WeightFile | None) -> Plan:
        config = self.config
        spacings = np.array([image.spacing for image in self.parts.training.images])
        mirrored = mirrors(config.augmentation, dimension(self.parts) == 3)
        return Plan(
            method=method,
            network=arguments,
            fidelity=file.plan.fidelity if file and not self._alike else "paper",  # norms of one window are not those of a batch
            normalisation=asdict(self.normalisation),
            modality=self.parts.modality,
            task={
                "name": "segmentation", "form": self.form, "segments": self.classes.as_list(), "context": self.context,
                "spacing": np.median(spacings, axis=0).tolist(), "overlap": config.overlap,
                "mirror": config.mirror and mirrored, MIRRORED: mirrored, FLAT: dimension(self.parts) == 2,
                "largest_component": config.largest_component, **self._channels(),
                **({CROP: list(config.crop)} if self.form == "3d" and self._alike else {}),
                **({"plan": self.planned.as_dict()} if self.planned else {}),
            },
            provenance=self.provenance,
            licence=file.plan.licence if file else "",
            geometry=self.parts.geometry,
        )  # fmt: skip

    def _channels(self) -> dict[str, Any]:
        """What the header says of several channels; nothing of one."""
        rules, parts = (self.normalisation, *self.further), self.parts
        listed = zip(parts.channels, parts.modalities, rules)
        channels = [asdict(Channel(name, modality, asdict(rule))) for name, modality, rule in listed]
        return {"channels": channels} if channels else {}


def segmentation(spec: JobSpec, config: SegmentationConfig, run: Run) -> dict[str, Any]:
    """Fine-tune a segmentation; the headline numbers.

    Raises:
        CatalogError, VolumeError, WeightsError, ConfigError: see `read_parts`, `transfer` and `Segmentation`.
    """
    rule = geometry_rule(config.geometry, spec.version)
    begun = begun_with(run)
    parts = read_parts(spec.data, run, config.select, SPLIT_SEED, orientation=rule.orientation, begun=begun)
    parts = with_history(parts, spec, run)
    check_groups(parts, attribute_groups(config.groups))
    file = open_start(spec)
    geometry = training_geometry(parts.training.images, rule)
    if spec.version >= PLANNED:
        setup = setup_of(config, parts, file, run.device)
        geometry = planned_spacing(rule, setup, parts.training, geometry, run)
    parts = with_geometry(parts, geometry, run)
    if "postprocessing" not in spec.config:  # begun before there was the choice
        config = replace(config, postprocessing="none")
    provenance = {"job": run.folder.name, "images": len(parts.training), "start_from": spec.start_from}
    made = None
    if spec.version >= PLANNED:
        made, fingerprint = planned_for(setup, parts.training, parts.geometry, run)
        unknown = file is None or (spec.version >= ALIKE and not file.plan.normalisation)
        config = settled(config, made, fingerprint, fresh=unknown)
        run.emit("plan", text=plan_text(made, fingerprint), **made.as_dict())
    return train_and_test(Segmentation(config, parts, file, provenance, spec.version, made), spec, run, file)
