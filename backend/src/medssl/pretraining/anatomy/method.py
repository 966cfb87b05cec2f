"""Dense contrastive anatomy embedding: tokens that mean the same anatomy wherever it lies in a view, after PEAC (Zhou et al., BMVC 2023).

What PEAC asks of neighbouring crops, that a place looks like itself, is asked here of independent affine views, where its place
in the view says nothing; and it must be unlike the other places of the same image, which a constant cannot be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from medssl.core.plan import Plan
from medssl.datasets.cache.cached_volume import CachedVolume
from medssl.datasets.crops.radiograph_crops import RadiographDataset
from medssl.datasets.crops.whole_radiographs import WHOLE_CELLS, WholeRadiographDataset
from medssl.distort import BezierIntensity, Chain, InPainting, Sometimes, describe
from medssl.distort.affine import AffineViews, cell_places
from medssl.distort.views import GridViews
from medssl.images.intensity.normalise import normalise, resolve
from medssl.networks.patch_swin import PatchSwin
from medssl.networks.standardisation import standardised
from medssl.networks.weights.weight_files import WeightFile, fill
from medssl.pretraining.anatomy.config import AnatomyConfig
from medssl.pretraining.anatomy.views import AnatomyViews, Pair, affine_pair, grid_pair
from medssl.pretraining.contrast.loss import dense_info_nce, distances, match_errors
from medssl.pretraining.peac.config import CELLS, SPARE
from medssl.pretraining.peac.loss import feature_spread
from medssl.training.method import PlainMethod


class Anatomy(PlainMethod):
    """The training step on one screen: two views of an image → appearance changed → tokens → each place is found in the other view.

    Args:
        config: every setting.
        modality: of the training set.
        provenance: what the weights' header tells of their origin.

    Raises:
        InputError: the normalisation does not fit the modality.
    """

    def __init__(self, config: AnatomyConfig, modality: str, provenance: dict[str, Any] | None = None) -> None:
        self.config, self.modality, self.provenance = config, modality, provenance or {}
        self.normalisation = resolve(config.normalisation, modality)
        side, scale = config.cell * CELLS, (config.smallest_scale, config.largest_scale)
        self.affine = AffineViews((side, side), (1.0, 1.0), scale, config.degrees, config.aspect)
        self.grid = GridViews(config.cell, CELLS, SPARE, shuffle_probability=0.0)
        self.appearance = Chain(
            Sometimes(config.curve_probability, BezierIntensity(inversion=False)),
            Sometimes(config.box_probability, InPainting()),
        )

    def network(self) -> nn.Module:
        """The Swin, untrained."""
        return PatchSwin(**self.config.network)

    def begin(self, network: nn.Module, file: WeightFile, partial: bool) -> str:
        """The Swin comes from the file; heads that the file has beside it stay behind."""
        wanted = network.state_dict()
        mine = {name: tensor for name, tensor in file.tensors.items() if name in wanted}
        fill(network, replace(file, tensors=mine, parts={}), partial)
        return f"{len(mine)} tensors come from {file.path.name}."

    def dataset(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Whole radiographs, or random grids of them."""
        if self.config.views == "affine":
            return WholeRadiographDataset(volumes, self.config.cell * WHOLE_CELLS, self.normalisation, seed)
        return RadiographDataset(volumes, self.config.cell, self.normalisation, seed)

    def validation(self, volumes: Sequence[CachedVolume], seed: int) -> Dataset:
        """Samples like those of the training, the same every time."""
        return self.dataset(volumes, seed)

    def views(self, batch: dict[str, Tensor], generator: torch.Generator) -> AnatomyViews:
        """Normalise, take two views, change the appearance of either."""
        pair = self._pair(batch, normalise(batch["raw"], batch["window"]), generator)  # of (N, 1, side, side), 0…1
        first, second = (
            self.appearance.apply(view, self.appearance.draw(view, generator)) for view in (pair.first, pair.second)
        )
        return AnatomyViews(first, second, *pair)

    def describe(self, batch: dict[str, Tensor], generator: torch.Generator) -> list[list[str]]:
        """Names of what `views` does to each first view with a generator in this state."""
        pair = self._pair(batch, batch["raw"].float(), generator)
        return describe(self.appearance, self.appearance.draw(pair.first, generator), len(batch["raw"]))

    def loss(self, network: nn.Module, views: AnatomyViews) -> dict[str, Tensor]:
        """The contrastive loss, from the first view to the second and back."""
        tokens = self._tokens(network, views.distorted, views.distorted_second)
        return {"loss": self._contrast(tokens, views)}

    def evaluate(self, network: nn.Module, views: AnatomyViews) -> dict[str, Tensor]:
        """Loss and matching under the known maps of one batch of views whose appearance is as it was; errors in cells."""
        tokens = self._tokens(network, views.original, views.second)
        grid, every = _as_grid(tokens[1]), cell_places((CELLS, CELLS), tokens.device)
        valid, where = views.forth_valid, views.forth
        errors = match_errors(tokens[0], grid, where)
        return {
            "contrast": self._contrast(tokens, views),
            "match_error": _mean(errors, valid),
            "match_median": _median(errors, valid),
            "within_a_cell": _mean((errors <= 1.0).float(), valid),
            "same_place_error": _mean((where - every).norm(dim=2), valid),
            "chance_error": _mean(distances(where, grid.shape[2:]).mean(2), valid),
            "output_variance": feature_spread(tokens),
        }

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """The mean error of matching decides which weights are kept; beside it that of a constant, which answers by chance, and
        of answering with the same place of the view. Tokens, as unit vectors, have a variance of 1 at most."""
        chance, error = means.pop("chance_error"), means.pop("match_error")
        return {"validation_loss": error, "constant_mean_loss": chance, "target_variance": 1.0, **means}

    def plan(self) -> Plan:
        """The header of the trained weights."""
        return Plan(
            method="anatomy",
            network=self.config.network,
            normalisation=asdict(self.normalisation),
            input_size=self.config.sample_size,
            modality=self.modality,
            provenance=self.provenance,
        )

    def _pair(self, batch: dict[str, Tensor], images: Tensor, generator: torch.Generator) -> Pair:
        if self.config.views == "affine":
            return affine_pair(self.affine, images, batch["extent"], CELLS, generator)
        return grid_pair(self.grid, images, generator)

    def _tokens(self, network: nn.Module, first: Tensor, second: Tensor) -> Tensor:
        """(2, N, T, D) tokens of both views."""
        return network(standardised(torch.cat([first, second]), "cxr")).unflatten(0, (2, -1))

    def _contrast(self, tokens: Tensor, views: AnatomyViews) -> Tensor:
        config = self.config
        rule = (config.temperature, config.apart, config.negatives == "batch")
        forth = dense_info_nce(tokens[0], _as_grid(tokens[1]), views.forth, views.forth_valid, *rule)
        back = dense_info_nce(tokens[1], _as_grid(tokens[0]), views.back, views.back_valid, *rule)
        return 0.5 * (forth + back)


def _as_grid(tokens: Tensor) -> Tensor:
    """Tokens (N, T, D) as a grid (N, D, cells, cells)."""
    return tokens.transpose(1, 2).unflatten(2, (CELLS, CELLS))


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    """Over the valid places; where views share none, a view's side in cells: no answer is no good one."""
    return torch.where(valid.any(), (values * valid).sum() / valid.sum().clamp(min=1), float(CELLS))


def _median(values: Tensor, valid: Tensor) -> Tensor:
    """See `_mean`."""
    return torch.where(valid, values, torch.nan).nanmedian().nan_to_num(float(CELLS))
