"""Affine views of images and volumes, and where their cells lie in each other."""

from __future__ import annotations

import math

import pytest
import torch

from medssl.distort.affine import AffineParams, AffineViews, mapped_cells, rotations

SHAPES = [((48, 60), (28, 28)), ((24, 30, 20), (16, 16, 8))]  # of samples and of views


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def extents(shape: tuple[int, ...], count: int = 6) -> torch.Tensor:
    return torch.tensor(shape, dtype=torch.float32).expand(count, -1)


def ramps(shape: tuple[int, ...], count: int) -> torch.Tensor:
    """(N, d, *shape): channel a holds each place's distance from the middle along axis a, in pixels."""
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(count, len(shape), *shape)


@pytest.mark.parametrize(("shape", "view"), SHAPES)
def test_a_view_shows_what_its_parameters_say(shape, view):
    """Each pixel of a view of coordinates holds its place in the sample."""
    views = AffineViews(view, [min(shape)] * len(shape), scale=(0.4, 0.7))
    params = views.draw(extents(shape), generator())
    seen = views.apply(ramps(shape, 6), params)
    u = (2 * ramps(view, 1)[0] / torch.tensor(view).reshape(-1, *(1,) * len(view))).flatten(1)  # (d, Q)
    places = params.centre[:, :, None] + params.linear @ u
    inside = (places.abs() <= (extents(shape)[:, :, None] - 1) / 2).all(1)
    error = (seen.flatten(2) - places).abs().amax(1)
    assert inside.float().mean() > 0.9 and error[inside].max() < 1e-3


@pytest.mark.parametrize(("shape", "view"), SHAPES)
def test_a_cell_and_where_it_is_mapped_show_the_same_place(shape, view):
    """Coordinates read at the cells of one view, and in the other view at the mapped places, agree."""
    views = AffineViews(view, [min(shape)] * len(shape), scale=(0.5, 0.8))
    first, second = (views.draw(extents(shape), generator(seed)) for seed in (1, 2))
    where, valid = mapped_cells(first, second, view)
    axes = torch.tensor(view, dtype=torch.float32)
    u, v = ((2 * place + 1) / axes - 1 for place in (ramps_places(view), where))
    ours = first.centre[:, None] + u @ first.linear.mT
    theirs = second.centre[:, None] + v @ second.linear.mT
    assert torch.allclose(ours.expand_as(theirs), theirs, atol=1e-3)
    assert 0.05 < valid.float().mean() < 0.95
    assert ((where[valid] >= -0.5) & (where[valid] <= axes - 0.5)).all()


def ramps_places(cells: tuple[int, ...]) -> torch.Tensor:
    return torch.cartesian_prod(*(torch.arange(n, dtype=torch.float32) for n in cells))


def test_places_outside_the_sample_are_not_valid():
    params = AffineParams(torch.eye(2)[None], torch.tensor([[0.8, 0.0]]), torch.tensor([[2.0, 2.0]]))
    where, valid = mapped_cells(params, params, (10, 10))
    assert torch.allclose(where[0, 0], torch.zeros(2), atol=1e-5)
    assert valid.reshape(10, 10).sum(0).unique().tolist() == [6]  # rows at -0.1, 0.1 … 1.7 of a sample that ends at 1


def test_scale_turn_and_stretch_keep_their_limits_and_no_view_is_mirrored():
    views = AffineViews((8, 8), (1.0, 1.0))
    params = views.draw(torch.tensor([1.0, 1.3]).expand(4000, 2), generator())
    half = params.linear.norm(dim=1)  # (N, 2)
    scale = (4 * half.prod(1)).sqrt()
    assert 0.5 / 1.05 <= scale.min() < 0.51 and 0.98 < scale.max() <= 1.05
    ratio = half[:, 0] / half[:, 1]
    assert ratio.max() <= 1.1 + 1e-5 and ratio.min() >= 1 / 1.1 - 1e-5 and ratio.max() > 1.08
    turn = torch.atan2(params.linear[:, 1, 0], params.linear[:, 0, 0]).rad2deg()
    assert turn.abs().max() <= 15 + 1e-3 and turn.std() == pytest.approx(30 / math.sqrt(12), rel=0.1)
    assert (torch.linalg.det(params.linear) > 0).all()
    room = params.extent / 2 - params.centre.abs()  # to the nearest border
    assert (room >= torch.minimum(half, params.extent / 2) - 1e-5).all()


def test_rotations_in_three_planes_are_rotations():
    turns = 0.5 * torch.randn(5, 3, generator=generator())
    matrices = rotations(turns, 3)
    assert torch.allclose(matrices @ matrices.mT, torch.eye(3).expand(5, 3, 3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(matrices), torch.ones(5), atol=1e-6)
    alone = rotations(torch.tensor([[0.0, 0.0, 0.3]]), 3)[0]
    assert torch.allclose(alone[1:, 1:], rotations(torch.tensor([[0.3]]), 2)[0])


def test_a_batch_is_drawn_alike_again_and_a_sample_alone_gives_the_same_view():
    views = AffineViews((16, 16), (48.0, 48.0))
    images, extent = torch.rand(3, 1, 48, 60, generator=generator(1)), extents((48, 60), 3)
    params, again = views.draw(extent, generator(2)), views.draw(extent, generator(2))
    assert all(torch.equal(getattr(params, name), getattr(again, name)) for name in ("linear", "centre", "extent"))
    assert torch.allclose(views.apply(images, params)[1:2], views.apply(images[1:2], params[1]))
