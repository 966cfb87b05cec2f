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
from medssl.core.registry import load
from medssl.datasets.cache.feature_store import no_room_for_rows
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.crops.multi_set import MultiSetSamples
from medssl.datasets.crops.set_schedule import SetSchedule
from medssl.datasets.spec.set_parts import SetPart
from medssl.distort.framing import Framing, whole
from medssl.images.intensity.normalise import resolve
from medssl.networks import NETWORKS
from medssl.networks.ark import ArkPair
from medssl.networks.layers import parameter_groups
from medssl.networks.standardisation import standardised
from medssl.networks.weights.weight_files import WeightFile
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.ark.fixed_views import FixedViews
from medssl.pretraining.ark.kept_features import KeptFeatures, View, backbone_digest, views_of
from medssl.pretraining.ark.loss import consistency_loss, prediction_loss, ramp, teacher_momentum
from medssl.pretraining.ark.phases import Phases
from medssl.pretraining.ark.start import begin, joined_heads, start_standard
from medssl.pretraining.ark.unreadable_images import UnreadableImages
from medssl.pretraining.ark.validation import validate
from medssl.training.method import PlainMethod, Said
from medssl.training.monitors import MonitorWarning

FEATURES = "features"  # the folder beside that of decoded images
TWO_BACKBONES = MonitorWarning(
    "features-not-kept",
    "student and teacher begin with different backbones: features of fixed views are computed anew in every step",
    "Begin with one part of the weights, or set consistency to 0",
)


@dataclass(frozen=True)
class ArkViews:
    """What student and teacher see of images of one set.

    `distorted` and `original` (N, 1, S, S), 0…1, or where `known` is True what a frozen backbone says of them (N, D); `targets`
    (N, C), NaN where unknown; `set`: the set's number.
    """

    distorted: Tensor
    original: Tensor
    targets: Tensor
    set: int
    known: bool = False


class Ark(PlainMethod):
    """The training step of Ark on one screen: views of one set → its head's loss and the consistency with the teacher.

    Args:
        config: every setting, with steps (see `ArkConfig.lasting`).
        sets: training images of every set.
        provenance: what the weights' header tells of their origin.
        start: weights that training begins with: heads of an Ark stay, heads of new sets join them.
        folder: where decoded images are kept, and beside it features of frozen backbones; None: nowhere.
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
        self._arguments: dict[str, Any] = {
            **config.network,
            **start_standard(start, config.network_name),
            "sets": self.heads,
        }
        self._standard = str(self._arguments.get("standard") or load(NETWORKS[config.network_name].network).standard)
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
        self.phases = Phases.of(config, started=start is not None)
        self._fixed = FixedViews(self._framing, config.fixed_views) if config.fixed_views else None
        self._features = folder.parent / FEATURES if folder and config.keep_features else None
        self._kept: KeptFeatures | None = None
        self._frozen = False  # in the current step
        self._warnings: list[MonitorWarning] = []

    def network(self) -> nn.Module:
        """Student and teacher, untrained and equal; with the released fidelity their heads differ."""
        pair = ArkPair(
            load(NETWORKS[self.config.network_name].network)(**self._arguments, fidelity=self.config.fidelity)
        )
        if self.config.fidelity == "released":
            for head in pair.teacher.omni_heads:
                head.reset_parameters()  # type: ignore[operator]
        return pair

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """Fill student and teacher from weights; what was taken, in words."""
        return begin(network, file, partial)

    def groups(self, network: nn.Module) -> list[dict[str, Any]] | None:
        """Two rates where the backbone learns at another one."""
        if self.config.backbone_rate == 1.0:
            return None
        assert isinstance(network, ArkPair)
        groups = parameter_groups(network.student, self.config.training.weight_decay)
        return [{**group, "lr_scale": 1.0 if group["head"] else self.config.backbone_rate} for group in groups]

    def prepare(
        self, network: nn.Module, training: Sequence[SetPart], validation: Sequence[SetPart], said: Said
    ) -> None:
        """Compute the features of fixed views that a frozen backbone will be asked for, and are not kept yet.

        Raises:
            ResourceError: the disk is full.
        """
        assert isinstance(network, ArkPair)
        if self._fixed is None or self._features is None or not self.phases.heads_until:
            return
        student = network.student.eval()
        if self._asks_teacher and backbone_digest(network.teacher) != backbone_digest(student):
            self._warnings.append(TWO_BACKBONES)
            return
        kept = KeptFeatures(self._features, student, self._fixed, self.prepared)
        wanted = self._wanted(training, validation)
        if no_room := no_room_for_rows(self._features, len(wanted), student.dimension):
            self._warnings.append(
                MonitorWarning("disk", no_room, "Free disk space, or set MEDSSL_HOME to a larger disk")
            )
            return
        kept.fill(wanted, said)
        self._kept = kept

    def _wanted(self, training: Sequence[SetPart], validation: Sequence[SetPart]) -> list[View]:
        """Every view that training asks a frozen backbone for, once each, and validation where it sees every image."""
        assert self._fixed is not None
        found: dict[View, None] = {}
        for part in training:
            numbers = range(len(part.images))
            for view in range(self._fixed.count):
                for tinted in (True, False) if self._asks_teacher and self.config.teacher_view == "same" else (True,):
                    found.update(dict.fromkeys(views_of(part, numbers, [view] * len(numbers), tinted)))
        measured = [part for part in validation if len(part.images) <= self.config.training.validation_samples]
        for part in (*measured, *(training if self._asks_teacher else ())):
            numbers = range(len(part.images))
            found.update(dict.fromkeys(views_of(part, numbers, [0] * len(numbers), True)))
        return list(found)

    @property
    def _asks_teacher(self) -> bool:
        return self.config.consistency > 0

    def dataset(self, sets: Sequence[SetPart], seed: int) -> Dataset:
        """Images of one set after the other."""
        return MultiSetSamples(sets, self.schedule, self.prepared, seed)

    def validation(self, sets: Sequence[SetPart], seed: int) -> Callable[[nn.Module], dict[str, float]]:
        """A function that measures loss and AUC of every set on whole validation images; see `validate`."""
        return lambda network: validate(self, network, sets, seed)

    def kept_features(self, part: SetPart, numbers: Sequence[int]) -> tuple[Tensor, list[int]] | None:
        """What the frozen backbone says of whole images (M, D), and which numbers have it; None where it is not frozen, or nothing is kept."""
        if self._kept is None or not self._frozen:
            return None
        views = views_of(part, numbers, [0] * len(numbers), True)
        self._kept.fill(
            views, lambda done, total: None
        )  # those that `prepare` left to a measurement of some images only
        rows, there = self._kept.rows(views)
        return rows, [numbers[n] for n in there]

    @property
    def uses_parts(self) -> bool:
        """Whether a step need not go through all parameters: it visits one head of several, or stages of the backbone rest."""
        return len(self.heads) > 1 or self.phases.last_until > 0

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as student and teacher take them."""
        return standardised(images, self._standard)

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
        if self._frozen and self._fixed is not None:
            return self._fixed_views(self._fixed, images, batch, chosen)
        drawn = self._framing.draw(images, generator)
        crop = self._framing.frame(images, drawn)
        clean = crop if self.config.teacher_view == "same" else whole(images, self.config.side)
        return ArkViews(self._framing.tint(crop, drawn), clean, batch["target"], chosen)

    def _fixed_views(self, fixed: FixedViews, images: Tensor, batch: dict[str, Tensor], chosen: int) -> ArkViews:
        """Views of a frozen backbone's steps, or what is kept of them."""
        numbers = batch["volume"].tolist()
        views = fixed.chosen(batch["index"].tolist(), self.config.training.seed)
        same = self.config.teacher_view == "same"
        student = views_of(self.sets[chosen], numbers, views, tinted=True)
        teacher = views_of(self.sets[chosen], numbers, views if same else [0] * len(views), tinted=not same)
        known = self._kept is not None
        if self._kept is not None:
            seen = self._kept.complete(student, images)
            clean = self._kept.complete(teacher, images) if self._asks_teacher else seen
        else:
            seen, clean = (
                fixed.make(images, [v.image for v in one], [v.number for v in one], tinted)
                for one, tinted in ((student, True), (teacher, False))
            )
        return ArkViews(seen, clean, batch["target"], chosen, known)

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to each image with a generator in this state."""
        return self._framing.names(self._framing.draw(batch["raw"], generator))

    def loss(self, network: nn.Module, views: ArkViews) -> dict[str, Tensor]:
        """(1 - c) · prediction + c · consistency, both terms, and the prediction under the visited set's name."""
        part, number = self.sets[views.set], self._numbers[views.set]
        seen = network(*self._inputs(views), number, views.known)
        prediction = prediction_loss(seen.logits, views.targets, self.uses_cross_entropy(number))
        terms = {"loss": prediction, "prediction": prediction, f"loss_{part.name}": prediction.detach()}
        if seen.teacher is not None:
            consistency = consistency_loss(seen.student, seen.teacher)
            weight = ramp(self._share, self.config.consistency)
            terms |= {"loss": (1.0 - weight) * prediction + weight * consistency, "consistency": consistency}
        return terms

    def _inputs(self, views: ArkViews) -> tuple[Tensor, Tensor | None]:
        """What student and teacher take; nothing for the teacher where its answer would not count."""
        images = [views.distorted, views.original] if self._asks_teacher else [views.distorted]
        seen, *clean = images if views.known else [self.standardise(one) for one in images]
        return seen, clean[0] if clean else None

    def uses_cross_entropy(self, number: int) -> bool:
        """Whether a head is one of several classes; Ark's released code took a binary cross-entropy there too."""
        return self.heads[number]["activation"] == "softmax"

    def head_of(self, set_number: int) -> int:
        """The number of a set's head in the network."""
        return self._numbers[set_number]

    def rate_span(self, step: int) -> tuple[int, int]:
        """One schedule, or one for the heads and one from when the backbone learns."""
        return self.phases.rate_span(step, self.config.training.steps)

    def before_step(self, network: nn.Module, step: int) -> None:
        """What learns in this step; and the weight of the consistency, that of the first step of this pass over a set: it changes between
        passes."""
        self._share = self.schedule.began(step) / self.config.training.steps
        self._frozen = self.phases.frozen(step)
        assert isinstance(network, ArkPair)
        self.phases.apply(network.student, step)

    def after_step(self, network: nn.Module, step: int, steps: int) -> None:
        """The teacher follows, after each pass over a set or each step, ever more slowly; without one the student is in its place."""
        if not self.config.teacher:
            network.update(0.0)  # type: ignore[operator]
        elif self.config.teacher_update == "step" or self.schedule[step].ends:
            momentum = teacher_momentum(step / steps, self.config.teacher_momentum)
            network.update(momentum)  # type: ignore[operator]

    def should_log(self, step: int) -> bool:
        """A pass over a set ended with this step: its loss is reported however many steps there are."""
        return self.schedule[step].ends

    def monitors(self) -> list[MonitorWarning]:
        """Images that could not be read, reported once each, and why features are not kept.

        Raises:
            CatalogError: more of a set than the configuration allows.
        """
        counts = (self._unreadable, *self._unreadable_validation.values())
        said, self._warnings = self._warnings, []
        return [*said, *(warning for count in counts for warning in count.monitors())]

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return Plan(
            method=self.config.network_name,
            network=self._arguments,
            fidelity=self.config.fidelity,
            normalisation=asdict(self.normalisation),
            input_size=(self.config.side,) * 2,
            modality="CXR",
            provenance=self.provenance,
        )
