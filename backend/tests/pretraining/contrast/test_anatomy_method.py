"""The dense contrastive method: its pairs, what its numbers mean, what it begins with; and PEAC on the same views."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from refusals import refused
from torch import Tensor
from torch.nn import functional

from medssl.core import seeds
from medssl.core.capabilities import PATCHES
from medssl.core.plan import Plan
from medssl.core.schema import build
from medssl.distort.affine import cell_places
from medssl.networks import capabilities_of
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.patch_swin import PatchSwin
from medssl.networks.peac import PeacNetwork
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import export_official, load_weights, open_weights, save_weights
from medssl.pretraining.anatomy.config import AnatomyConfig
from medssl.pretraining.anatomy.method import Anatomy
from medssl.pretraining.peac.config import CELLS, PeacConfig
from medssl.pretraining.peac.method import Peac

N = 3
SMALL = AnatomyConfig(backbone="swin_micro", drop_path=0.0)


class PlaceNetwork(torch.nn.Module):
    """Answers with the grey values of each cell, of a ramp: where in the image it lies, whatever the view."""

    def forward(self, x: Tensor) -> Tensor:
        grey = functional.avg_pool2d(x[:, :1], x.shape[-1] // CELLS).flatten(1)
        angle = 4 * grey
        return torch.stack([angle.cos(), angle.sin()], dim=2)


def batch(images: Tensor) -> dict[str, Tensor]:
    """Samples of images (N, 1, side, side) in 0…1, a third higher than they are wide."""
    count = len(images)
    return {
        "raw": (images * 65534 - 32767).round().short(),
        "window": torch.tensor([[-32767.0, 32767.0]]).repeat(count, 1),
        "extent": torch.tensor([[4 / 3, 1.0]]).repeat(count, 1),
    }


def noise(side: int) -> Tensor:
    return torch.rand((N, 1, side, side), generator=torch.Generator().manual_seed(0))


def smooth(side: int) -> Tensor:
    """A landscape in which every place has a grey of its own along the rows."""
    rows = torch.linspace(0.1, 0.9, side)[:, None].expand(side, side)
    return rows.expand(N, 1, side, side).contiguous()


@pytest.mark.parametrize("views", ["affine", "published"])
def test_cells_and_their_places_in_the_other_view_show_the_same(views: str):
    method = Anatomy(dataclasses.replace(SMALL, views=views), "CXR")
    side = 8 * (24 if views == "affine" else 18)
    seen = method.views(batch(smooth(side)), seeds.generator(1, "views"))
    cells = functional.avg_pool2d(seen.original, 8).flatten(1)  # (N, T)
    places = ((2 * seen.forth + 1) / CELLS - 1).flip(2)[:, None]
    other = functional.avg_pool2d(seen.second, 8)
    there = functional.grid_sample(other, places, padding_mode="border", align_corners=False).flatten(1)
    inner = seen.forth_valid & (seen.forth > 0.5).all(2) & (seen.forth < CELLS - 1.5).all(2)
    inner &= cells > 0.15  # not beyond the image's border
    inner &= cells < 0.85
    assert inner.float().mean() > 0.1 and (cells - there)[inner].abs().max() < 0.02
    swapped = seen.back_valid.float().mean() / seen.forth_valid.float().mean()
    assert 0.2 < swapped < 5


def test_crops_of_one_grid_share_pixels():
    method = Anatomy(dataclasses.replace(SMALL, views="published"), "CXR")
    seen = method.views(batch(noise(8 * 18)), seeds.generator(1, "views"))
    place = (seen.forth[..., 0] * CELLS + seen.forth[..., 1]).long()
    first, second = (functional.unfold(view, 8, stride=8).transpose(1, 2) for view in (seen.original, seen.second))
    for n in range(N):
        valid = seen.forth_valid[n]
        assert torch.equal(first[n][valid], second[n][place[n][valid]])
        assert valid.sum() >= 100  # ten cells by ten are shared at least


def test_appearance_changes_but_brighter_stays_brighter_and_the_maps_stay():
    config = dataclasses.replace(SMALL, curve_probability=1.0, box_probability=0.0)
    seen = Anatomy(config, "CXR").views(batch(noise(8 * 24)), seeds.generator(1, "views"))
    for before, after in ((seen.original, seen.distorted), (seen.second, seen.distorted_second)):
        order = before.flatten(1).argsort(1)
        assert (after.flatten(1).gather(1, order).diff(dim=1) >= -1e-6).all() and not torch.equal(before, after)
    boxes = dataclasses.replace(SMALL, curve_probability=0.0, box_probability=1.0)
    seen = Anatomy(boxes, "CXR").views(batch(noise(8 * 24)), seeds.generator(1, "views"))
    changed = (seen.distorted != seen.original).float().mean()
    assert 0.05 < changed < 0.5


def test_what_is_described_is_what_was_done():
    method, samples = Anatomy(SMALL, "CXR"), batch(noise(8 * 24))
    seen = method.views(samples, seeds.generator(3, "views"))
    names = method.describe(samples, seeds.generator(3, "views"))
    changed = (seen.distorted != seen.original).flatten(1).any(1).tolist()
    assert [bool(one) for one in names] == changed and {n for one in names for n in one} <= {"bezier", "inpaint"}


def test_validation_measures_matching_in_cells_beside_chance_and_the_same_place():
    method = Anatomy(SMALL, "CXR")
    seen = method.views(batch(smooth(8 * 24)), seeds.generator(1, "views"))
    means = {name: value.item() for name, value in method.evaluate(PlaceNetwork(), seen).items()}
    values = method.summarise(dict(means))
    every = cell_places((CELLS, CELLS))
    far = (seen.forth[:, :, None] - every).norm(dim=3).mean(2)[seen.forth_valid].mean().item()
    same = (seen.forth - every).norm(dim=2)[seen.forth_valid].mean().item()
    assert values["constant_mean_loss"] == pytest.approx(far, rel=1e-5)
    assert values["same_place_error"] == pytest.approx(same, rel=1e-5)
    assert values["match_median"] > 0.2 and values["validation_loss"] < far  # rows are known, columns are not
    assert 0 < values["within_a_cell"] < 1


def test_a_batch_without_shared_places_is_no_good_result():
    method = Anatomy(SMALL, "CXR")
    seen = method.views(batch(noise(8 * 24)), seeds.generator(1, "views"))
    none = torch.zeros_like(seen.forth_valid)
    values = method.evaluate(PlaceNetwork(), dataclasses.replace(seen, forth_valid=none, back_valid=none))
    assert values["match_error"] == values["match_median"] == CELLS


def test_it_begins_with_an_anatomy_or_with_the_swin_of_a_peac(tmp_path):
    method = Anatomy(SMALL, "CXR")
    torch.manual_seed(1)
    peac = PeacNetwork(**PeacConfig(backbone="swin_micro", global_hidden=16, local_hidden=16).network)
    plan = Peac(PeacConfig(backbone="swin_micro", global_hidden=16, local_hidden=16), "CXR").plan()
    save_weights(tmp_path / "peac.safetensors", peac.state_dict(), plan)
    network = method.network()
    assert "peac.safetensors" in method.begin(network, open_weights(tmp_path / "peac.safetensors"), partial=False)
    own = peac.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in network.state_dict().items())
    save_weights(tmp_path / "own.safetensors", network.state_dict(), method.plan())
    torch.manual_seed(2)
    again = method.network()
    method.begin(again, open_weights(tmp_path / "own.safetensors"), partial=False)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), network.state_dict().values()))
    other = PatchSwin(**AnatomyConfig(backbone="swin_tiny").network)
    with refused("weights-incomplete"):
        method.begin(other, open_weights(tmp_path / "own.safetensors"), partial=False)


def test_fine_tuning_begins_with_it_and_an_export_is_read_back(tmp_path):
    method = Anatomy(SMALL, "CXR")
    network = method.network()
    save_weights(tmp_path / "own.safetensors", network.state_dict(), method.plan())
    classifier = SwinClassifier(**SMALL.network, classes=2)
    classifier.plan = Plan("swin-classifier", classifier.arguments, modality="CXR")
    found = transfer(classifier, open_weights(tmp_path / "own.safetensors"))
    assert found.complete and not found.left_out and all(name.startswith("classifier.") for name in found.new)
    export_official(tmp_path / "own.safetensors", tmp_path / "exported.pt")
    back = load_weights(tmp_path / "exported.pt")
    assert back.plan.method == "anatomy" and PATCHES in capabilities_of(back.plan)
    assert all(torch.equal(a, b) for a, b in zip(back.state_dict().values(), network.state_dict().values()))


def test_settings_that_contradict_each_other_are_refused():
    with refused("setting-out-of-range", names="smallest_scale"):
        build(AnatomyConfig, {"smallest_scale": 0.9, "largest_scale": 0.8})


def test_peac_on_affine_views_pairs_each_cell_with_the_nearest():
    method = Peac(PeacConfig(backbone="swin_micro", global_hidden=16, local_hidden=16, views="affine"), "CXR")
    seen = method.views(batch(smooth(8 * 24)), seeds.generator(1, "views"))
    first, second = (functional.avg_pool2d(view, 8).flatten(1) for view in (seen.original, seen.second))
    shared = (seen.matches >= 0) & (first > 0.2) & (first < 0.8)
    there = second.gather(1, seen.matches.clamp(min=0))
    assert shared.float().mean() > 0.1
    off = (first - there)[shared].abs()
    assert (
        off.quantile(0.9) < 0.04 < 0.1 < first[shared].std()
    )  # a cell of the ramp is 0.04; few lie over the image's border
    names = method.describe(batch(smooth(8 * 24)), seeds.generator(1, "views"))
    assert [name == ["cells"] for name in names] == seen.shuffled.tolist()
