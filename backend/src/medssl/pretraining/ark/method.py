"""Foundation Ark (Ma et al., "Foundation Ark", MICCAI 2023; "A fully open AI foundation model applied to chest radiography",
Nature 2025)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.plan import Plan
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.crops.multi_set import MultiSetSamples
from medssl.datasets.crops.set_schedule import SetSchedule
from medssl.datasets.spec.set_parts import SetPart
from medssl.distort.framing import Framing, whole
from medssl.images.intensity.normalise import resolve
from medssl.networks.ark import ArkNetwork, ArkPair
from medssl.networks.weights.weight_files import WeightFile
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.ark.loss import consistency_loss, prediction_loss, ramp, teacher_momentum
from medssl.pretraining.ark.start import begin, joined_heads
from medssl.pretraining.ark.unreadable_images import UnreadableImages
from medssl.pretraining.ark.validation import validate
from medssl.training.method import PlainMethod
from medssl.training.monitors import MonitorWarning


@dataclass(frozen=True)
class ArkViews:
    """What student and teacher see of images of one set.

    `distorted` and `original` (N, 1, S, S), 0…1; `targets` (N, C), NaN where unknown; `set`: the set's number.
    """

    distorted: Tensor
    original: Tensor
    targets: Tensor
    set: int


class Ark(PlainMethod):
    """The training step of Ark on one screen: views of one set → its head's loss and the consistency with the teacher.

    Args:
        config: every setting, with steps (see `ArkConfig.lasting`).
        sets: training images of every set.
        provenance: what the weights' header tells of their origin.
        start: weights that training begins with: heads of an Ark stay, heads of new sets join them.
        folder: where decoded images are kept.
        per_step: images of a step, over all micro-batches and processes; by default one micro-batch.

    Raises:
        ConfigError: two sets of one name.
        WeightsError: a set that the weights know with other classes.
    """

    def __init__(
        self,
        config: ArkConfig,
        sets: Sequence[SetPart],
        provenance: dict[str, Any] | None = None,
        start: WeightFile | None = None,
        folder: Path | None = None,
        per_step: int | None = None,
    ) -> None:
        self.normalisation = resolve(config.normalisation, "CXR")
        self.schedule = SetSchedule(
            [len(part.images) for part in sets], per_step or config.training.batch_size, config.order
        )
        self.config = config = config.with_total_steps(self.schedule.epoch)
        self.sets, self.provenance = tuple(sets), provenance or {}
        self.heads = joined_heads(self.sets, start, config.fidelity)
        self._numbers = [[head["name"] for head in self.heads].index(part.name) for part in sets]  # set -> head
        self._arguments = {**config.network, "sets": self.heads}
        self.prepared = PreparedImages(folder if config.keep_images else None, config.kept_side, self.normalisation)
        self._framing = Framing(
            config.side,
            config.smallest_crop,
            config.shift,
            config.zoom,
            config.degrees,
            config.intensity_probability,
            config.framing_probability,
        )
        processes = config.training.devices * config.training.nodes  # each counts its own
        self._unreadable = UnreadableImages(self.sets, config.unreadable_share / processes)
        self._unreadable_validation: dict[int, UnreadableImages] = {}  # set -> those of its validation images
        self._share = 0.0  # of the run that is done

    def network(self) -> nn.Module:
        """Student and teacher, untrained and equal; with the released fidelity their heads differ."""
        pair = ArkPair(ArkNetwork(**self._arguments, fidelity=self.config.fidelity))
        if self.config.fidelity == "released":
            for head in pair.teacher.omni_heads:
                head.reset_parameters()  # type: ignore[operator]
        return pair

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """Fill student and teacher from weights; what was taken, in words."""
        return begin(network, file, partial)

    def dataset(self, sets: Sequence[SetPart], seed: int) -> Dataset:
        """Images of one set after the other."""
        return MultiSetSamples(sets, self.schedule, self.prepared, seed)

    def validation(self, sets: Sequence[SetPart], seed: int) -> Callable[[nn.Module], dict[str, float]]:
        """A function that measures loss and AUC of every set on whole validation images; see `validate`."""
        return lambda network: validate(self, network, sets, seed)

    def seen(self, squares: Sequence[np.ndarray]) -> Tensor:
        """Kept images (K, K) uint8 whole (N, 1, S, S) in 0…1, as the network takes them."""
        if not squares:
            return torch.empty(0, 1, self.config.side, self.config.side)
        return whole(torch.from_numpy(np.stack(squares))[:, None].float() / 255, self.config.side)

    def unreadable_validation(self, number: int, images: Sequence[int], part: SetPart) -> None:
        """Count unreadable validation images of set `number`; reported with the others."""
        if images:
            found = self._unreadable_validation.setdefault(
                number, UnreadableImages([part], self.config.unreadable_share)
            )
            found.note(0, torch.tensor(images))

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> ArkViews:
        """Crop and turn; the student's intensities change; the teacher sees the crop as it is, or the whole image."""
        chosen = int(batch["set"][0])  # of all samples of a step
        self._unreadable.note(chosen, batch["skipped"])
        images = batch["raw"].float() / 255  # (N, 1, K, K)
        drawn = self._framing.draw(images, generator)
        crop = self._framing.frame(images, drawn)
        clean = crop if self.config.teacher_view == "same" else whole(images, self.config.side)
        return ArkViews(self._framing.tint(crop, drawn), clean, batch["target"], chosen)

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to each image with a generator in this state."""
        return self._framing.names(self._framing.draw(batch["raw"], generator))

    def loss(self, network: nn.Module, views: ArkViews) -> dict[str, Tensor]:
        """(1 - c) · prediction + c · consistency, both terms, and the prediction under the visited set's name."""
        part, number = self.sets[views.set], self._numbers[views.set]
        seen = network(ArkNetwork.standardise(views.distorted), ArkNetwork.standardise(views.original), number)
        prediction = prediction_loss(seen.logits, views.targets, self.uses_cross_entropy(number))
        consistency = consistency_loss(seen.student, seen.teacher)
        weight = ramp(self._share, self.config.consistency)
        total = (1.0 - weight) * prediction + weight * consistency
        return {
            "loss": total, "prediction": prediction, "consistency": consistency, f"loss_{part.name}": prediction.detach(),
        }  # fmt: skip

    def uses_cross_entropy(self, number: int) -> bool:
        """Whether a head is one of several classes; Ark's released code took a binary cross-entropy there too."""
        return self.heads[number]["activation"] == "softmax"

    def head_of(self, set_number: int) -> int:
        """The number of a set's head in the network."""
        return self._numbers[set_number]

    def before_step(self, network: nn.Module, step: int) -> None:
        """The weight of the consistency is that of the first step of this pass over a set: it changes between passes."""
        self._share = self.schedule.began(step) / self.config.training.steps

    def after_step(self, network: nn.Module, step: int, steps: int) -> None:
        """The teacher follows, after each pass over a set or each step, ever more slowly."""
        if self.config.teacher_update == "step" or self.schedule[step].ends:
            momentum = teacher_momentum(step / steps, self.config.teacher_momentum)
            network.update(momentum)  # type: ignore[operator]

    def should_log(self, step: int) -> bool:
        """A pass over a set ended with this step: its loss is reported however many steps there are."""
        return self.schedule[step].ends

    def monitors(self) -> list[MonitorWarning]:
        """Images that could not be read, reported once each.

        Raises:
            CatalogError: more of a set than the configuration allows.
        """
        counts = (self._unreadable, *self._unreadable_validation.values())
        return [warning for count in counts for warning in count.monitors()]

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return Plan(
            method="ark",
            network=self._arguments,
            fidelity=self.config.fidelity,
            normalisation=asdict(self.normalisation),
            input_size=(self.config.side,) * 2,
            modality="CXR",
            provenance=self.provenance,
        )
