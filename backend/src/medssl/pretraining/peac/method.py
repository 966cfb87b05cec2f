"""PEAC: patch embeddings that mean the same anatomy in every radiograph (Zhou et al., BMVC 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.plan import Plan
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.radiograph_crops import RadiographDataset
from medssl.datasets.crops.whole_radiographs import WHOLE_CELLS, WholeRadiographDataset
from medssl.distort import BezierIntensity, Chain, InPainting, LocalShuffle, OneOf, OutPainting, Sometimes, describe
from medssl.distort.affine import AffineViews, nearest_cells
from medssl.distort.views import GridViews, matched_cells
from medssl.images.intensity.normalise import normalise, resolve
from medssl.networks.peac import PeacNetwork, PeacOutputs, PeacPair, permute_cells, standardise
from medssl.pretraining.peac.config import CELLS, SPARE, PeacConfig
from medssl.pretraining.peac.loss import (
    feature_spread,
    global_loss,
    local_loss,
    order_loss,
    restoration_loss,
)
from medssl.training.method import PlainMethod


@dataclass(frozen=True)
class PeacViews:
    """Crop 1 as the student and the teacher see it, crop 2, and what they are held against.

    `distorted`, `original` (crop 1 before) and `second` (N, 1, S, S), 0…1; `shuffled` (N,) bool; `order` (N, T): the cell
    of `original` at each place; `matches` (N, T): the cell of crop 2 that goes with each, or -1.
    """

    distorted: Tensor
    original: Tensor
    second: Tensor
    shuffled: Tensor
    order: Tensor
    matches: Tensor


class Peac(PlainMethod):
    """The training step of PEAC on one screen: two crops → order or appearance of the first distorted → four losses.

    Args:
        config: every setting.
        modality: of the training set.
        provenance: what the weights' header tells of their origin.

    Raises:
        InputError: the normalisation does not fit the modality.
    """

    def __init__(self, config: PeacConfig, modality: str, provenance: dict[str, Any] | None = None) -> None:
        self.config, self.modality, self.provenance = config, modality, provenance or {}
        self.normalisation = resolve(config.normalisation, modality)
        self.grid = GridViews(config.cell, CELLS, SPARE, config.shuffle_probability)
        self.affine = AffineViews((config.cell * CELLS,) * 2, (1.0, 1.0))
        self.appearance = appearance_distortion(config)

    def network(self) -> nn.Module:
        """Student and teacher, equal and untrained."""
        return PeacPair(PeacNetwork(**self.config.network, fidelity=self.config.fidelity))

    def groups(self, network: nn.Module) -> list[dict[str, Any]] | None:
        """Two rates where the heads of the embeddings learn at another one."""
        if self.config.embedding_rate == 1.0:
            return None
        assert isinstance(network, PeacPair)
        return embedding_groups(network.student, self.config.training.weight_decay, self.config.embedding_rate)

    def dataset(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Random grids of the radiographs; whole ones where views are affine."""
        if self.config.views == "affine":
            return WholeRadiographDataset(volumes, self.config.cell * WHOLE_CELLS, self.normalisation, seed)
        return RadiographDataset(volumes, self.config.cell, self.normalisation, seed)

    def validation(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Samples like those of the training, the same every time."""
        return self.dataset(volumes, seed)

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> PeacViews:
        """Normalise, crop twice; shuffle the first crop's cells, or else distort its appearance."""
        images = normalise(batch["raw"], batch["window"])  # (N, 1, G, G), 0…1
        drawn = self.grid.draw(images, generator)
        if self.config.views == "affine":
            maps = [self.affine.draw(batch["extent"], generator) for _ in range(2)]
            first, second = (self.affine.apply(images, one) for one in maps)
            matches = nearest_cells(maps[0], maps[1], (CELLS, CELLS))
        else:
            first, second = self.grid.crop(images, drawn.first), self.grid.crop(images, drawn.second)
            matches = matched_cells(drawn.first, drawn.second, CELLS, self.config.fidelity)
        changed = self.appearance.apply(first, self.appearance.draw(first, generator), ~drawn.shuffled)
        return PeacViews(
            distorted=permute_cells(changed, drawn.order, self.config.cell),
            original=first,
            second=second,
            shuffled=drawn.shuffled,
            order=drawn.order,
            matches=matches,
        )

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to each first crop with a generator in this state."""
        drawn = self.grid.draw(batch["raw"], generator)
        if self.config.views == "affine":
            for _ in range(2):
                self.affine.draw(batch["extent"], generator)
        names = describe(self.appearance, self.appearance.draw(batch["raw"], generator), len(batch["raw"]))
        return [["cells"] if moved else got for moved, got in zip(drawn.shuffled.tolist(), names)]

    def loss(self, network: nn.Module, views: PeacViews) -> dict[str, Tensor]:
        """The weighted sum, and the four terms without their weights."""
        terms, _ = self._terms(network, views)
        config = self.config
        total = (
            config.order_weight * terms["order"]
            + config.restore_weight * terms["restore"]
            + config.global_weight * terms["global"]
            + config.local_weight * terms["local"]
        )
        return {"loss": total, **terms}

    def evaluate(self, network: nn.Module, views: PeacViews) -> dict[str, Tensor]:
        """The terms on one validation batch, and how far its tokens and its embeddings are spread."""
        terms, seen = self._terms(network, views)
        clean = standardise(views.original)
        several = float(len(views.order) > 1)  # one image says nothing of how images differ
        spread = {
            "output_variance": feature_spread(seen.student_tokens),
            "global_embedding_variance": several * feature_spread(seen.student_global),
            "local_embedding_variance": feature_spread(seen.student_local),
            "several": clean.new_tensor(several),
        }
        return {**terms, **spread, "target_mean": clean.mean(), "target_square": clean.square().mean()}

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Order and restoration decide which weights are kept: the other terms depend on where the teacher is.

        Beside them: what a network scores that answers with any place and the constant mean; tokens and embeddings, as unit
        vectors, have a variance of 1 at most.
        """
        mean, square = means.pop("target_mean"), means.pop("target_square")
        of_images, several = means.pop("global_embedding_variance"), means.pop("several")
        if several:  # the share of batches that hold more than one image
            means = {**means, "global_embedding_variance": of_images / several}
        config = self.config
        guessing = config.order_weight * math.log(CELLS**2) + config.restore_weight * (square - mean**2)
        loss = config.order_weight * means["order"] + config.restore_weight * means["restore"]
        return {"validation_loss": loss, "constant_mean_loss": guessing, "target_variance": 1.0, **means}

    def after_step(self, network: nn.Module, step: int, steps: int) -> None:
        """The teacher follows, ever more slowly."""
        start = self.config.teacher_momentum
        network.update(1.0 - (1.0 - start) * 0.5 * (1.0 + math.cos(math.pi * step / steps)))  # type: ignore[operator]

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return Plan(
            method="peac",
            network=self.config.network,
            fidelity=self.config.fidelity,
            normalisation=asdict(self.normalisation),
            input_size=(self.config.cell * CELLS,) * 2,
            modality=self.modality,
            provenance=self.provenance,
        )

    def _terms(self, network: nn.Module, views: PeacViews) -> tuple[dict[str, Tensor], PeacOutputs]:
        seen = network(standardise(views.distorted), standardise(views.second))
        terms = {
            "order": order_loss(seen.order, views.order),
            "restore": restoration_loss(seen.restored, standardise(views.original)),
            "global": global_loss(seen.student_global, seen.teacher_global),
            "local": local_loss(seen.student_local, seen.teacher_local, views.matches, ~views.shuffled),
        }
        return terms, seen


def embedding_groups(network: PeacNetwork, weight_decay: float, rate: float) -> list[dict[str, Any]]:
    """Optimiser groups in which the heads of both embeddings learn at a share of the rate; 1-D parameters are not decayed."""
    embeddings = {id(p) for head in (network.mlp, network.mlp_local) for p in head.parameters()}
    learning = [p for p in network.parameters() if p.requires_grad]
    return [
        {
            "params": [p for p in learning if (id(p) in embeddings) == own and (p.ndim > 1) == decayed],
            "weight_decay": weight_decay if decayed else 0.0,
            "lr_scale": rate if own else 1.0,
        }
        for own in (False, True)
        for decayed in (True, False)
    ]


def appearance_distortion(config: PeacConfig, strength: float = 1.0) -> Chain:
    """What distorts a crop whose cells stay in order: shuffle in small windows, then intensity, then painting."""
    outside, inside = OutPainting(strength=strength), InPainting(strength=strength)
    return Chain(
        LocalShuffle(windows=config.shuffle_windows, strength=strength),
        Sometimes(config.bezier_probability, BezierIntensity(strength=strength)),
        Sometimes(
            config.paint_probability, OneOf((config.outpaint_share, outside), (1.0 - config.outpaint_share, inside))
        ),
    )
