"""The dense contrastive loss against a loop over its definition, its invariances and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from medssl.distort.affine import cell_places
from medssl.pretraining.contrast.loss import at_places, dense_info_nce, match_errors

GRIDS = [(4, 5), (3, 4, 2)]


def drawn(cells: tuple[int, ...], count: int = 2, queries: int = 6, dimension: int = 7):
    generator = torch.Generator().manual_seed(len(cells))
    asked = torch.randn(count, queries, dimension, generator=generator)
    grid = torch.randn(count, dimension, *cells, generator=generator)
    where = torch.rand(count, queries, len(cells), generator=generator) * (torch.tensor(cells) - 1)
    return asked, grid, where, torch.rand(count, queries, generator=generator) < 0.7


def by_definition(asked, grid, where, valid, temperature, apart, across) -> float:
    """The loss, query by query, at places that are cells."""
    every = cell_places(grid.shape[2:])
    units = functional.normalize(grid, dim=1).flatten(2)
    each = []
    for image in range(len(grid)):
        for query in range(where.shape[1]):
            if not valid[image, query]:
                continue
            one, place = functional.normalize(asked[image, query], dim=0), where[image, query]
            true = int((every - place).norm(dim=1).argmin())
            far = (every - place).norm(dim=1) > apart
            others = [units[image][:, far]]
            others += [units[other] for other in range(len(grid)) if across and other != image]
            cosines = one @ torch.cat([units[image][:, true, None], *others], dim=1)
            each.append(-functional.log_softmax(cosines / temperature, dim=0)[0])
    return float(sum(each) / len(each))


@pytest.mark.parametrize("cells", GRIDS)
@pytest.mark.parametrize("across", [False, True])
def test_it_is_the_mean_cross_entropy_of_the_true_place(cells, across):
    asked, grid, where, valid = drawn(cells)
    where = where.round()
    expected = by_definition(asked, grid, where, valid, 0.2, 1.2, across)
    assert dense_info_nce(asked, grid, where, valid, 0.2, 1.2, across).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cells", GRIDS)
def test_lengths_and_queries_that_do_not_count_change_nothing(cells):
    asked, grid, where, valid = drawn(cells)
    loss = dense_info_nce(asked, grid, where, valid)
    assert torch.allclose(dense_info_nce(3 * asked, 0.1 * grid, where, valid), loss)
    assert torch.allclose(dense_info_nce(torch.where(valid[:, :, None], asked, 1.0), grid, where, valid), loss)
    assert torch.equal(dense_info_nce(asked, grid, where, torch.zeros_like(valid)), torch.tensor(0.0))


def test_a_constant_answers_by_chance_and_the_gradient_leads_to_the_true_place():
    asked, grid, where, _ = drawn((4, 5))
    everywhere = torch.ones(2, 6, dtype=torch.bool)
    chance = dense_info_nce(torch.ones(2, 6, 7), torch.ones(2, 7, 4, 5), where, everywhere, apart=0.0)
    assert chance.item() == pytest.approx(math.log(21), rel=1e-5)
    asked.requires_grad_(True)
    before = dense_info_nce(asked, grid, where, everywhere)
    before.backward()
    assert dense_info_nce(asked - 0.1 * asked.grad, grid, where, everywhere) < before


@pytest.mark.parametrize("cells", GRIDS)
def test_places_between_cells_are_linear_and_matches_are_measured_in_cells(cells):
    axes = cell_places(cells).T.reshape(1, len(cells), *cells)
    grid = torch.cat([axes, torch.ones(1, 1, *cells)], dim=1)  # linear in the place: interpolation is exact
    where = torch.rand(1, 9, len(cells)) * (torch.tensor(cells) - 1)
    expected = functional.normalize(torch.cat([where, torch.ones(1, 9, 1)], dim=2), dim=2)
    assert torch.allclose(at_places(grid, where), expected, atol=1e-5)
    unlike = torch.eye(math.prod(cells)).reshape(1, -1, *cells)
    queries = unlike.flatten(2).mT
    assert torch.equal(match_errors(queries, unlike, cell_places(cells)[None]), torch.zeros(1, math.prod(cells)))
    moved = cell_places(cells)[None] + torch.eye(len(cells))[0] * 2
    assert torch.allclose(match_errors(queries, unlike, moved), torch.tensor(2.0))
