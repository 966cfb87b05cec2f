"""Grid-aligned crops: shared cells hold equal pixels, and the released pairing misses most of them."""

from __future__ import annotations

import itertools

import pytest
import torch

from medssl.distort.views import GridParams, GridViews, matched_cells
from medssl.networks.peac import permute_cells
from medssl.pretraining.peac.config import BACKBONES, CELLS, SPARE, PeacConfig

OFFSETS = list(itertools.product(range(SPARE + 1), repeat=4))  # rows and columns of both crops
CELL_SIZES = sorted({PeacConfig(backbone=name).cell for name in BACKBONES})


def all_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    offsets = torch.tensor(OFFSETS)
    return offsets[:, :2], offsets[:, 2:]


def cells_of(crop: torch.Tensor, cell: int) -> torch.Tensor:
    """(1, 1, S, S) to (T, cell, cell), cut out one by one."""
    return torch.stack(
        [
            crop[0, 0, r * cell : (r + 1) * cell, c * cell : (c + 1) * cell]
            for r in range(CELLS)
            for c in range(CELLS)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("cell", CELL_SIZES)
def test_matched_cells_hold_equal_pixels_for_all_625_pairs_of_offsets(cell: int):
    side = (CELLS + SPARE) * cell
    image = torch.arange(side * side, dtype=torch.float32).reshape(1, 1, side, side)  # every pixel differs (< 2^24)
    views = GridViews(cell)
    first, second = all_pairs()
    matches = matched_cells(first, second, CELLS)
    crops = {offset: cells_of(views.crop(image, torch.tensor([offset])), cell)
             for offset in itertools.product(range(SPARE + 1), repeat=2)}  # fmt: skip
    for n, (one, two) in enumerate(zip(first.tolist(), second.tolist())):
        shared = matches[n] >= 0
        assert shared.sum() == (CELLS - abs(one[0] - two[0])) * (CELLS - abs(one[1] - two[1])) >= 100
        assert torch.equal(crops[tuple(one)][shared], crops[tuple(two)][matches[n][shared]]), (one, two)


def test_no_cell_is_matched_twice_and_none_is_missed():
    first, second = all_pairs()
    for one, two, matches in zip(first.tolist(), second.tolist(), matched_cells(first, second, CELLS)):
        found = {(n, m) for n, m in enumerate(matches.tolist()) if m >= 0}
        literal = {
            (r1 * CELLS + c1, r2 * CELLS + c2)
            for r1, c1, r2, c2 in itertools.product(range(CELLS), repeat=4)
            if r1 + one[0] == r2 + two[0] and c1 + one[1] == c2 + two[1]
        } if one == [0, 3] else None  # the literal version is slow: one row of the table is enough  # fmt: skip
        assert len({m for _, m in found}) == len(found)
        assert literal is None or found == literal


def test_the_released_pairing_is_aligned_for_85_of_the_625_pairs():
    first, second = all_pairs()
    paper, released = (matched_cells(first, second, CELLS, fidelity) for fidelity in ("paper", "released"))
    aligned = (paper == released).all(1)
    assert aligned.sum() == 85
    shift = first - second
    assert torch.equal(aligned, shift[:, 0] == shift[:, 1])


def test_draws_cover_all_offsets_and_half_of_the_samples_are_shuffled():
    views = GridViews(cell=2)
    drawn = views.draw(torch.empty(20_000, 1, 36, 36), torch.Generator().manual_seed(0))
    for offsets in (drawn.first, drawn.second):
        shares = torch.bincount((offsets[:, 0] * 5 + offsets[:, 1]), minlength=25) / len(offsets)
        assert (shares - 1 / 25).abs().max() < 0.008
    assert drawn.shuffled.float().mean() == pytest.approx(0.5, abs=0.02)
    in_order = torch.arange(CELLS**2)
    assert (drawn.order[~drawn.shuffled] == in_order).all()
    assert torch.equal(drawn.order.sort(1).values, in_order.expand_as(drawn.order))
    assert (drawn.order[drawn.shuffled] == in_order).float().mean() == pytest.approx(1 / CELLS**2, abs=0.001)


def test_a_batch_is_cropped_as_its_samples_are():
    views, batch = GridViews(cell=3), torch.rand(6, 2, 54, 54)
    drawn = views.draw(batch, torch.Generator().manual_seed(1))
    crops = views.crop(batch, drawn.first)
    for n, (r, c) in enumerate(drawn.first.tolist()):
        assert torch.equal(crops[n], batch[n, :, 3 * r : 3 * r + 42, 3 * c : 3 * c + 42])
        assert torch.equal(views.crop(batch[n : n + 1], drawn[n].first), crops[n : n + 1])


def test_permuted_cells_lie_where_the_order_says():
    crop = torch.rand(1, 1, 42, 42)
    order = torch.randperm(CELLS**2, generator=torch.Generator().manual_seed(2))[None]
    moved = cells_of(permute_cells(crop, order, 3), 3)
    assert torch.equal(moved, cells_of(crop, 3)[order[0]])
    assert torch.equal(permute_cells(permute_cells(crop, order, 3), order.argsort(1), 3), crop)


def test_drawn_parameters_can_be_selected():
    drawn = GridViews(cell=2).draw(torch.empty(4, 1, 36, 36), torch.Generator().manual_seed(0))
    assert isinstance(drawn[2], GridParams) and torch.equal(drawn[2].order, drawn.order[2:3])
