"""Dense contrastive anatomy embedding of volumes: each place like itself in another view, unlike every other place."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.placed_crops import PlacedCrops
from medssl.distort import BezierIntensity, Chain, InPainting, Sometimes, describe
from medssl.distort.affine import AffineViews, cell_places
from medssl.images.intensity.normalise import normalise, resolve
from medssl.networks.dense3d import DenseUNet, visible_cells
from medssl.networks.weights.weight_files import WeightFile, fill
from medssl.pretraining.anatomy3d.config import Anatomy3DConfig
from medssl.pretraining.anatomy3d.views import Queries, draw_maps, draw_queries, taken, view_places
from medssl.pretraining.contrast.loss import dense_info_nce, match_errors
from medssl.pretraining.peac.loss import feature_spread
from medssl.training.method import PlainMethod

OTHERS = 1024  # cells of another sub-volume of the same volume that a query is told apart from


@dataclass(frozen=True)
class PlaceViews:
    """Two views of each sub-volume as the network sees them, and what it should find.

    `distorted` and `second` (N, 1, i, j, k), 0…1; `original`: the first before its brightness and noise changed. `forth` and `back`:
    places of the first looked for in the second, and the other way round. For what is told apart from them in another sub-volume of
    their volume: `volume` (N,), `middle` (N, 3) of the sub-volume in it, mm, `sampled` (N, OTHERS) cells of both views, and where in the
    sub-volume those of the first and the second lie, `of_first` and `of_second` (N, OTHERS, 3).
    """

    original: Tensor
    distorted: Tensor
    second: Tensor
    forth: Queries
    back: Queries
    volume: Tensor
    middle: Tensor
    sampled: Tensor
    of_first: Tensor
    of_second: Tensor


class Anatomy3D(PlainMethod):
    """The training step on one screen: sub-volume → two affine views → brightness and noise → descriptors → InfoNCE both ways.

    Args:
        config: every setting.
        modality: of the training set; decides the normalisation where the config says "auto".
        provenance: what the weights' header tells of their origin.

    Raises:
        InputError: the normalisation does not fit the modality.
    """

    geometry = Geometry()  # of the training volumes; the reader of the training data sets it

    def __init__(self, config: Anatomy3DConfig, modality: str, provenance: dict[str, Any] | None = None) -> None:
        self.config, self.modality, self.provenance = config, modality, provenance or {}
        self.normalisation = resolve(config.normalisation, modality)
        self.appearance = Chain(
            Sometimes(config.curve_probability, BezierIntensity(inversion=False)),
            Sometimes(config.box_probability, InPainting()),
        )
        self._untrained: nn.Module | None = None

    def network(self) -> nn.Module:
        """The U-Net, untrained."""
        network = DenseUNet(self.config.base_width, self.config.dimension, self.config.stride)
        if self._untrained is None:
            self._untrained = copy.deepcopy(network).eval().requires_grad_(False)
        return network

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """All tensors come from a file of this method; from one of Models Genesis all but the projection."""
        own = file.plan.method == "anatomy3d"
        report = fill(network, file, partial or not own)
        return "" if own else f"{len(report.matched)} tensors come from {file.path.name}; the projection is new."

    def dataset(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Random sub-volumes of the volumes, two of each in a row where they are told apart from each other."""
        config, together = self.config, 1 + (self.config.negatives == "volume")
        return PlacedCrops(volumes, config.crop, config.sampler, self.normalisation, seed, together)

    def validation(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Samples like those of the training, the same every time."""
        return self.dataset(volumes, seed)

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> PlaceViews:
        """Normalise raw sub-volumes, show each under two affine maps, change brightness and noise of each view for itself."""
        config = self.config
        crops = normalise(batch["raw"], batch["window"])  # (N, 1, I, J, K), 0…1
        spacing = crops.new_tensor(self.geometry.spacing or (1.0, 1.0, 1.0))
        inside, whole = batch["extent"] * spacing, (spacing * spacing.new_tensor(config.crop)).expand(len(crops), 3)
        reach = (spacing.cpu() * torch.tensor(config.view)).tolist()
        maps = AffineViews(
            config.view, reach, (config.smallest_scale, config.largest_scale), config.degrees, config.aspect
        )
        first, second = draw_maps(maps, inside, whole, generator)
        clean = [maps.apply(crops, one) for one in (first, second)]
        shown = [visible_cells(view, config.stride) for view in clean]
        seen = [self.appearance.apply(view, self.appearance.draw(view, generator)) for view in clean]
        forth = draw_queries(first, second, shown[0], inside, config.queries, generator)
        back = draw_queries(second, first, shown[1], inside, config.queries, generator)
        cells = shown[0][0].numel()
        sampled = torch.randint(cells, (len(crops), min(OTHERS, cells)), generator=generator, device=crops.device)
        of_first, of_second = (taken(view_places(one, shown[0].shape[1:]), sampled) for one in (first, second))
        middle = batch["start"] * spacing + whole / 2
        one, two = (self._laid_out(view) for view in seen)
        return PlaceViews(clean[0], one, two, forth, back, batch["volume"], middle, sampled, of_first, of_second)

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to the brightness of each first view, and the affine map that all have."""
        config, extent = self.config, batch["extent"].float()
        draw_maps(AffineViews(config.view, config.view), extent, extent, generator)
        first = batch["raw"].new_empty((len(extent), 1, *config.view), dtype=torch.float32)
        names = describe(self.appearance, self.appearance.draw(first, generator), len(first))
        return [["affine", *some] for some in names]

    def loss(self, network: nn.Module, views: PlaceViews) -> dict[str, Tensor]:
        """InfoNCE in both directions."""
        first, second = network(torch.cat([views.distorted, views.second])).chunk(2)
        return {"loss": self._contrast(first, second, views)}

    def evaluate(self, network: nn.Module, views: PlaceViews) -> dict[str, Tensor]:
        """The loss on one validation batch, and how far from their true places places are found, in cells.

        Beside it the same of the untrained network, and the error of answering with the same place of the view.
        """
        both = torch.cat([views.distorted, views.second])
        first, second = network(both).chunk(2)
        valid = views.forth.valid
        same = (cell_places(first.shape[2:], both.device)[views.forth.cells] - views.forth.where).norm(dim=2)
        errors = {"": match_errors(views.forth.of(first), second, views.forth.where)}
        if self._untrained is not None:
            plain = self._untrained.to(both.device)(both)
            plain = plain - plain.mean(dim=(2, 3, 4), keepdim=True)
            errors["untrained_"] = match_errors(
                views.forth.of(plain[: len(first)]), plain[len(first) :], views.forth.where
            )
        values = {
            "validation_loss": self._contrast(first, second, views),
            "constant_mean_loss": self._contrast(torch.ones_like(first), torch.ones_like(second), views),
            "output_variance": feature_spread(second.flatten(2).transpose(1, 2)),
            "same_place_error": _known(same, valid).mean(),
        }
        for name, error in errors.items():
            found = _known(error, valid)
            values |= {f"{name}match_median": found.median(), f"{name}within_a_cell": (found <= 1.0).float().mean()}
        return values

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Beside the loss, what a constant scores; unit vectors have a variance of 1 at most. Matches are in cells."""
        return {**means, "target_variance": 1.0}

    def plan(self) -> Plan:
        """The header of the trained weights."""
        config = self.config
        return Plan(
            method="anatomy3d",
            network={"base_width": config.base_width, "dimension": config.dimension, "stride": config.stride},
            normalisation=asdict(self.normalisation),
            input_size=config.view,
            modality=self.modality,
            provenance=self.provenance,
            geometry=self.geometry,
        )

    def _contrast(self, first: Tensor, second: Tensor, views: PlaceViews) -> Tensor:
        ways = ((views.forth, first, second, views.of_second), (views.back, second, first, views.of_first))
        terms = [
            dense_info_nce(
                queries.of(own), other, queries.where, queries.valid, self.config.temperature, self.config.apart,
                others=self._elsewhere(queries, other, places, views) if self.config.negatives == "volume" else None,
            )
            for queries, own, other, places in ways
        ]  # fmt: skip
        return (terms[0] + terms[1]) / 2

    def _elsewhere(self, queries: Queries, other: Tensor, places: Tensor, views: PlaceViews) -> tuple[Tensor, Tensor]:
        """Descriptors (N, D, M) of cells of the partner's view, and (N, Q, M) bool: those that lie apart from each query."""
        numbers = torch.arange(len(other), device=other.device)
        partner = (numbers ^ 1).clamp(max=len(other) - 1)  # 1 of 0 and 0 of 1; of a last one without a partner itself
        cell = self.config.stride * max(self.geometry.spacing or (1.0,)) * self.config.largest_scale
        there = places[partner] + views.middle[partner, None]
        apart = torch.cdist(queries.at + views.middle[:, None], there) > self.config.apart * cell
        same = (views.volume[partner] == views.volume) & (partner != numbers)
        sampled = views.sampled[:, None].expand(-1, other.shape[1], -1)
        return other.flatten(2).gather(2, sampled)[partner], apart & same[:, None, None]

    def _laid_out(self, views: Tensor) -> Tensor:
        channels_last = self.config.training.channels_last
        return views.contiguous(memory_format=torch.channels_last_3d) if channels_last else views


def _known(errors: Tensor, valid: Tensor) -> Tensor:
    """The errors that count; all of them where none does."""
    return errors[valid] if bool(valid.any()) else errors.flatten()
