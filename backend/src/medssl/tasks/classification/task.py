"""Classification: a pretrained encoder learns findings (Genesis: the U-Net's encoder; PEAC, Ark: Swin; ImageNet: CNN)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.augment import mirrors
from medssl.core.plan import Plan
from medssl.core.protocol import VERSION, JobSpec
from medssl.core.run import Ended, Run
from medssl.datasets.crops.classification_images import ClassificationDataset, enlarged
from medssl.datasets.crops.loader import micro_batches
from medssl.datasets.geometry import training_geometry
from medssl.datasets.splits.split import SPLIT_SEED
from medssl.evaluation.metrics.classification_metrics import MEAN, classification_metrics
from medssl.images.geometry_config import AS_STORED, geometry_rule
from medssl.images.intensity.normalise import normalise
from medssl.inference.classification.predict import predict_images
from medssl.inference.mirroring import MIRRORED
from medssl.jobs.split_record import begun_with
from medssl.networks.network import Network
from medssl.networks.standardisation import USUAL, standardised
from medssl.networks.weights.weight_files import WeightFile, build_network
from medssl.tasks.architecture import classification_network
from medssl.tasks.classification.class_weights import class_weights
from medssl.tasks.classification.config import ClassificationConfig
from medssl.tasks.classification.loss import classification_loss
from medssl.tasks.classification.mixup import draw_mixup, mix
from medssl.tasks.classification.places import centres_of, region_of, with_places
from medssl.tasks.classification.results import as_predictions, calibrated, rescaled, write_results
from medssl.tasks.earlier import ALIKE, augmentation
from medssl.tasks.label_columns import attribute_groups
from medssl.tasks.labelled_data import (
    LabelledSplit,
    LabelledSplits,
    check_groups,
    dimension,
    notify,
    read_parts,
    with_geometry,
)
from medssl.tasks.rivals.classifiers import RivalClassifiers
from medssl.tasks.start import check_form, check_windows, start_normalisation, with_history
from medssl.tasks.train_and_test import open_start, rest_frozen, train_and_test
from medssl.tasks.truth import label_spec
from medssl.training.method import PlainMethod

UNSEEN = "test_time = mirror averages no mirrored copies: the training shows no mirrored images, which augmentation=strong would"


@dataclass(frozen=True)
class ClassificationViews:
    """What the network sees, (N, channels, *spatial), and what it should answer, (N, C), NaN where unknown."""

    images: Tensor
    targets: Tensor


class Classification(PlainMethod):
    """The training step on one screen: whole image, shifted a little -> normalise -> augment -> mix -> logits -> loss.

    Args:
        config: every setting.
        parts: images and targets.
        file: the weights to begin with; None: from scratch.
        provenance: what the weights' header tells of their origin.
        version: of the job's spec.

    Raises:
        ConfigError: a network that does not fit the form.
    """

    rivals = True  # are to be held against the model
    remarks: tuple[str, ...] = ()  # on the training, for the verdict

    def __init__(
        self,
        config: ClassificationConfig,
        parts: LabelledSplits,
        file: WeightFile | None,
        provenance: dict[str, Any] | None = None,
        version: int = VERSION,
    ) -> None:
        axes = dimension(parts)
        form = check_form(config.form, axes)
        mirrored = mirrors(config.augmentation, axes == 3)
        unseen = axes == 3 and config.test_time == "mirror" and not mirrored
        self.config, self.parts = config, replace(parts, remarks=(*parts.remarks, *[UNSEEN] * unseen))
        self.normalisation = start_normalisation(config.normalisation, file, parts.modality)
        check_windows(parts, (self.normalisation,))
        method, arguments = classification_network(config, form, len(parts.names), file.plan if file else None)
        self._plan = Plan(
            method=method,
            network=arguments,
            fidelity=file.plan.fidelity if file and version < ALIKE else "paper",  # norms of one image are not those of a batch
            normalisation=asdict(self.normalisation),
            modality=parts.modality,
            task={
                "name": "classification", "kind": parts.kind, "labels": config.labels, "classes": list(parts.names), "form": form,
                "test_time": "none" if unseen else config.test_time, **({MIRRORED: mirrored} if axes == 3 else {}), "threshold_rule": config.threshold, "crop": list(config.crop),
                **({"region": region_of(parts)} if parts.geometry.recorded else {}),
            },
            provenance=provenance or {},
            licence=file.plan.licence if file else "",
            geometry=parts.geometry,
        )  # fmt: skip
        side = self.network().side
        self.size = (side, side) if axes == 2 else config.crop
        self._plan = replace(self._plan, input_size=self.size)
        spacing = parts.geometry.spacing if axes == 3 and version >= ALIKE else ()
        self._augment = augmentation(config.augmentation, axes, axes == 3, spacing, version)
        self._weights = class_weights(config.balance, parts.training.targets, parts.kind)

    def network(self) -> Network:
        """The network with a new head; its backbone untrained."""
        network = build_network(self._plan)
        network.plan = self._plan
        return network

    def class_shares(self) -> None:
        """A new head begins as it is initialised."""

    def dataset(self, part: LabelledSplit, seed: int, training: bool = True) -> Dataset:
        """Whole images at the network's size, with their targets."""
        balance = "classes" if self.config.balance == "sampler" and training else "none"
        return ClassificationDataset(
            part.fitted or part.images, part.targets, self.size, self.normalisation, seed, balance=balance, training=training,
            centres=centres_of(part) if self.parts.geometry.recorded else None,
        )  # fmt: skip

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> ClassificationViews:
        """Normalise, augment, and mix where that is asked for."""
        images = normalise(batch["raw"], batch["window"])  # (N, 1, *spatial), 0...1
        images, targets = self._augment(images, None, generator)[0], batch["target"]
        if self.config.mixup:
            params = draw_mixup(len(images), self.config.mixup, generator)
            images, targets = mix(images, params), mix(targets, params)
        return ClassificationViews(self._laid_out(images), targets)

    def loss(self, network: nn.Module, views: ClassificationViews) -> dict[str, Tensor]:
        """Cross-entropy or focal loss, per finding or over classes; unknown labels do not count."""
        return {"loss": self._loss(network(views.images).float(), views.targets)}

    def measure(self, network: Network, device: str) -> dict[str, float]:
        """Loss and AUC of the validation images, each seen once, as a whole."""
        part = self.parts.validation
        dataset, size = self.dataset(part, 0, training=False), self.config.training.batch_size
        groups = [list(range(n, min(n + size, len(part)))) for n in range(0, len(part), size)]
        logits, targets = [], []
        for batch in micro_batches(dataset, groups):
            images = normalise(batch["raw"], batch["window"]).to(device)
            logits.append(network(self._laid_out(images)).float().cpu())
            targets.append(batch["target"])
        answers, truth = torch.cat(logits), torch.cat(targets)
        kind, names = self.parts.kind, self.parts.names
        scores = answers.softmax(1) if kind == "multi-class" else answers.sigmoid()
        found = classification_metrics(truth.numpy(), scores.numpy(), kind, names)
        auc = found[MEAN if MEAN in found else names[0]]["auc"]
        values = {"validation_loss": float(self._loss(answers, truth))}
        return values | ({"validation_auc": auc} if auc is not None else {})

    def before_step(self, network: nn.Module, step: int) -> None:
        """A frozen backbone's batch norms keep to their statistics."""
        rest_frozen(network, self.config.transfer, step)

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return self._plan

    def finish(self, network: Network, run: Run) -> tuple[Plan, dict[str, Any]]:
        """Calibrate and choose thresholds on validation images, then measure the test images once; tables and report.

        Returns:
            The plan, and the headline numbers {"validation": {...}, "test": {...}}.
        """
        network.plan = self._plan
        parts, config = self.parts, self.config
        named = {"validation": parts.validation, "test": parts.test}
        raw = {name: self._predicted(part, network, run, name) for name, part in named.items() if len(part)}
        temperatures, thresholds = calibrated(
            raw["validation"], parts, parts.validation.targets, config.threshold, config.specificity
        )
        tables = {
            name: as_predictions(part, parts, rescaled(raw[name], temperatures, parts)) if name in raw else None
            for name, part in named.items()
        }
        task = {**self._plan.task, "temperature": temperatures, "thresholds": thresholds}
        fitter = RivalClassifiers(self.normalisation, Ended(run, self.config.training.steps))
        rivals = fitter.answers(parts) if self.rivals else None
        headline = write_results(
            run.folder / "results",
            tables,
            parts,
            thresholds,
            config.specificity,
            config.groups,
            rivals,
            self.remarks,
        )
        return replace(self._plan, task=task), headline

    def _predicted(self, part: LabelledSplit, network: Network, run: Run, name: str) -> np.ndarray:
        """Probabilities (N, C) before calibration, by the road that users take."""
        rows, steps, before = [], self.config.training.steps, None
        for n, image in enumerate(part.images):
            notify(run, steps, steps, f"classifying {name} image {n + 1} of {len(part)}")
            if before is None or (image.path, image.slices) != (before.path, before.slices):
                whole, before = image.whole(), image  # candidates of one scan follow each other
            volume = replace(whole, point=part.places[n]) if part.places else whole
            found = predict_images([volume], network)[0]
            rows.append([found[name][0] for name in self.parts.names])
        return np.array(rows)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        focus = self.config.focus if self.config.loss == "focal" else 0.0
        return classification_loss(logits, targets, self.parts.kind, self._weights, focus)

    def _laid_out(self, images: Tensor) -> Tensor:
        if len(self.size) == 2:
            return standardised(images, self._plan.network.get("standard", USUAL))
        return images.contiguous(memory_format=torch.channels_last_3d) if self.config.training.channels_last else images


def classification(spec: JobSpec, config: ClassificationConfig, run: Run) -> dict[str, Any]:
    """Fine-tune a classification; the headline numbers.

    Raises:
        CatalogError, VolumeError, WeightsError, ConfigError: see `read_parts`, `transfer` and `Classification`.
    """
    labels = label_spec(config, spec.version)
    rule = geometry_rule(config.geometry, spec.version)
    file = open_start(spec)
    seen_by = partial(start_normalisation, config.normalisation, file)
    parts = read_parts(spec.data, run, config.select, SPLIT_SEED, labels, rule.orientation, begun_with(run), seen_by)
    parts = with_history(parts, spec, run)
    if rule != AS_STORED:
        parts = with_places(parts)
    looked_at = None if parts.training.places else enlarged(config.crop)
    parts = with_geometry(parts, training_geometry(parts.training.images, rule, looked_at), run)
    check_groups(parts, attribute_groups(config.groups))
    provenance = {"job": run.folder.name, "images": len(parts.training), "start_from": spec.start_from}
    return train_and_test(Classification(config, parts, file, provenance, spec.version), spec, run, file)
