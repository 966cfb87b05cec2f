"""Views of volumes whose true places are known, what is told apart, what training starts from, and that it learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from refusals import refused

from medssl.core import seeds
from medssl.core.schema import build
from medssl.distort.affine import AffineViews
from medssl.networks.dense3d import DenseUNet, visible_cells
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import open_weights, save_weights
from medssl.pretraining.anatomy3d.config import Anatomy3DConfig
from medssl.pretraining.anatomy3d.method import Anatomy3D
from medssl.pretraining.anatomy3d.views import draw_maps, draw_queries
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.genesis.method import Genesis

SMALL = {"base_width": 4, "dimension": 8, "crop": [24, 26, 22], "view": [16, 16, 16], "queries": 64}
SIDES = (24, 26, 22)


def config(**changes) -> Anatomy3DConfig:
    return build(Anatomy3DConfig, {**SMALL, **changes})


def batch(count: int = 4, extent: tuple[int, int, int] = SIDES) -> dict[str, torch.Tensor]:
    """Noise as the loader gives it: two sub-volumes of each volume."""
    raw = torch.randint(0, 1000, (count, 1, *SIDES), generator=torch.Generator().manual_seed(0), dtype=torch.int16)
    return {
        "raw": raw, "window": torch.tensor([[0.0, 1000.0]] * count), "volume": torch.arange(count) // 2,
        "start": torch.zeros(count, 3, dtype=torch.int64), "extent": torch.tensor([extent] * count),
    }  # fmt: skip


def ramps() -> torch.Tensor:
    """(1, 3, *SIDES): each voxel's own place in mm of 1, 2 and 1.5 from the first voxel's border."""
    spacing = torch.tensor([1.0, 2.0, 1.5])
    axes = [(torch.arange(n) + 0.5) * s for n, s in zip(SIDES, spacing.tolist())]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def test_a_query_shows_the_same_place_in_both_views():
    """The intensities are the places: a query's place, read off the first view, stands in the second at its true place."""
    spacing, generator = torch.tensor([1.0, 2.0, 1.5]), seeds.generator(1, "test")
    whole = (torch.tensor(SIDES) * spacing).expand(8, 3)
    inside = whole - torch.tensor([2.0, 4.0, 3.0])
    maps = AffineViews((16, 16, 16), (spacing * 16).tolist(), (0.7, 1.3), 20.0, 0.1)
    first, second = draw_maps(maps, inside, whole, generator)
    views = [maps.apply(ramps().expand(8, -1, -1, -1, -1), one) for one in (first, second)]
    grids = [torch.nn.functional.avg_pool3d(view, 2) for view in views]
    shown = torch.ones(8, 8, 8, 8, dtype=torch.bool)
    queries = draw_queries(first, second, shown, inside, 64, generator)
    assert queries.valid.float().mean() > 0.7
    own = queries.of(grids[0])
    inner = queries.valid & ((queries.where > 0.5) & (queries.where < 6.5)).all(2)
    inner &= ((own > 6.0) & (own < whole[:, None] - 6.0)).all(2)  # nothing beyond the sample is mixed in
    where = ((2 * queries.where + 1) / 8 - 1).flip(2)[:, :, None, None]
    there = torch.nn.functional.grid_sample(grids[1], where, align_corners=False)[..., 0, 0].transpose(1, 2)
    assert int(inner.sum()) > 40 and torch.allclose(own[inner], there[inner], atol=2e-2)
    assert torch.allclose(own[inner], (queries.at + whole[:, None] / 2)[inner], atol=2e-2)
    assert (own[queries.valid] <= inside[0] + 0.1).all(), "padding is never looked for"


def test_air_is_never_looked_for():
    method = Anatomy3D(config(), "CT")
    data = batch()
    data["raw"][:, :, :12] = 0
    views = method.views({**data, "window": torch.tensor([[0.0, 1000.0]] * 4)}, seeds.generator(0, "views"))
    shown = visible_cells(views.original, 2).flatten(1).gather(1, views.forth.cells)
    assert views.forth.valid.any() and not (views.forth.valid & ~shown).any() and not shown.all()


def test_what_lies_elsewhere_in_the_same_volume_is_told_apart():
    method = Anatomy3D(config(), "CT")
    views = method.views(batch(5), seeds.generator(0, "views"))
    grid = torch.randn(5, 8, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    descriptors, apart = method._elsewhere(views.forth, grid, views.of_second, views)
    partner = [1, 0, 3, 2, 4]
    assert torch.equal(descriptors[0], grid[1].flatten(1)[:, views.sampled[1]])
    distance = torch.cdist(views.forth.at, views.of_second[partner])
    limit = 1.5 * 2 * 1.3
    assert torch.equal(apart[:4], distance[:4] > limit) and 0.5 < apart[:4].float().mean() < 1
    assert not apart[4].any(), "a last one has no partner"
    alone = dataclasses.replace(views, volume=torch.arange(5))
    assert not method._elsewhere(views.forth, grid, views.of_second, alone)[1].any(), "another volume is not told apart"
    only = Anatomy3D(config(negatives="image"), "CT")
    assert only._contrast(grid, grid, views) < method._contrast(grid, grid, views)


def test_views_in_parts_give_the_same_loss_on_the_whole():
    """Where memory runs out a batch is computed in parts: pairs that a part leaves whole have the same negatives."""
    from medssl.training.views import divided

    method = Anatomy3D(config(), "CT")
    views = method.views(batch(4), seeds.generator(0, "views"))
    grids = torch.nn.functional.normalize(
        torch.randn(2, 4, 8, 8, 8, 8, generator=torch.Generator().manual_seed(1)), dim=2
    )
    whole = method._contrast(*grids, views)
    halves = [
        method._contrast(*grids[:, 2 * n : 2 * n + 2], part) for n, (_share, part) in enumerate(divided(views, 2))
    ]
    assert whole.item() == pytest.approx(sum(half.item() for half in halves) / 2, rel=0.05)


@pytest.mark.parametrize("stride", [2, 4])
def test_descriptors_are_unit_vectors_at_the_stride(stride):
    network = DenseUNet(4, 8, stride).eval()
    found = network(torch.rand(2, 1, 16, 24, 32))
    assert found.shape == (2, 8, 16 // stride, 24 // stride, 32 // stride)
    assert torch.allclose(found.norm(dim=1), torch.ones(()), atol=1e-5)
    with refused("setting-not-a-choice", names="3"):
        DenseUNet(4, 8, 3)


def test_a_training_may_begin_with_models_genesis(tmp_path):
    torch.manual_seed(1)
    genesis = UNet3D(4)
    plan = Genesis(build(GenesisConfig, {"base_width": 4}), "CT").plan()
    save_weights(tmp_path / "genesis.safetensors", genesis.state_dict(), plan)
    method = Anatomy3D(config(), "CT")
    network = method.network()
    said = method.begin(network, open_weights(tmp_path / "genesis.safetensors"), partial=False)
    assert "projection is new" in said
    taken = [name for name, tensor in network.state_dict().items() if name in genesis.state_dict()
             and torch.equal(tensor, genesis.state_dict()[name])]  # fmt: skip
    assert len(taken) == len(network.state_dict()) - 2, "all but the projection's two"


def test_bad_settings_are_refused():
    for changes, code in (
        ({"stride": 3}, "setting-not-a-choice"), ({"view": [20, 16, 16]}, "not-a-multiple-of-eight"),
        ({"smallest_scale": 1.5}, "setting-out-of-range"),
    ):  # fmt: skip
        with refused(code):
            config(**changes)


class Constant(torch.nn.Module):
    """Describes every cell alike."""

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(views), 8, *(side // 2 for side in views.shape[2:]))


@pytest.mark.parametrize("negatives", ["image", "volume"])
def test_the_constant_scores_what_a_collapsed_network_scores(negatives):
    """Else the alarm, which looks for a loss near it, misses a collapse."""
    method = Anatomy3D(config(negatives=negatives), "CT")
    views = method.views(batch(), seeds.generator(0, "views"))
    found = method.evaluate(Constant(), views)
    assert float(found["constant_mean_loss"]) == pytest.approx(float(found["validation_loss"]), rel=1e-5)


def test_it_learns_to_find_places_again():
    """A few steps on the same views: the loss falls below what a constant scores, and places are found nearer."""
    method = Anatomy3D(config(negatives="image"), "CT")
    torch.manual_seed(0)
    network = method.network()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    views = method.views(batch(2), seeds.generator(0, "views"))
    for _ in range(20):
        loss = method.loss(network, views)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = {name: float(value) for name, value in method.evaluate(network, views).items()}
    assert found["validation_loss"] < found["constant_mean_loss"] - 1
    assert found["match_median"] < found["untrained_match_median"] - 1
    assert found["within_a_cell"] > found["untrained_within_a_cell"] + 0.1
