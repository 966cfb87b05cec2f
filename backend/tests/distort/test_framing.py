"""Views of whole radiographs."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from medssl.distort.framing import CURVED, LINEAR, PLAIN, Framing, whole


def images(count: int = 4, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(0))


def draw(framing: Framing, batch: torch.Tensor, seed: int = 0):
    return framing.draw(batch, torch.Generator().manual_seed(seed))


def test_without_any_change_the_view_is_the_image():
    batch, still = images(), Framing(64, smallest=1.0, shift=0.0, zoom=0.0, degrees=0.0, intensity=0.0)
    params = draw(still, batch)
    affine = torch.eye(2, 3).expand(4, 2, 3)
    assert torch.allclose(still.frame(batch, dataclasses.replace(params, affine=affine)), batch, atol=1e-5)
    assert torch.equal(still.tint(batch, params), batch)
    assert (params.affine[:, :, 2].abs() <= 1 - params.affine[:, [0, 1], [0, 1]] + 1e-6).all()  # the crop stays inside


def test_crops_shifts_zooms_and_turns_keep_their_limits():
    framing, batch = Framing(32), images(2000, 8)
    affine = draw(framing, batch).affine
    width, height = affine[:, :, 0].norm(dim=1), affine[:, :, 1].norm(dim=1)
    assert width.max() <= 1.1 + 1e-5 and (width * height).min() >= 0.5 * 0.9**2 * math.sqrt(3 / 4) - 1e-5
    turn = torch.atan2(affine[:, 1, 0], affine[:, 0, 0]).rad2deg()
    assert turn.abs().max() <= 10.0 + 1e-4 and turn.std() == pytest.approx(20 / math.sqrt(12), rel=0.1)
    assert affine[:, :, 2].abs().max() <= 1 - 0.5 + 2 * 0.0625 + 0.5


def test_the_crop_shows_what_its_parameters_say():
    """The upper right quarter of an image, upright."""
    batch, framing = images(1), Framing(32, intensity=0.0)
    params = draw(framing, batch)
    quarter = torch.tensor([[[0.5, 0.0, 0.5], [0.0, 0.5, -0.5]]])
    assert torch.allclose(
        framing.frame(batch, dataclasses.replace(params, affine=quarter)), batch[:, :, :32, 32:], atol=1e-5
    )


def test_intensities_change_with_their_probability_and_stay_in_range():
    framing, batch = Framing(16, intensity=0.3), images(3000, 16)
    params = draw(framing, batch)
    shares = [(params.kind == kind).float().mean().item() for kind in (PLAIN, LINEAR, CURVED)]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    tinted = framing.tint(batch, params)
    same = (tinted == batch).flatten(1).all(dim=1)
    assert torch.equal(same, params.kind == PLAIN) and tinted.min() >= 0 and tinted.max() <= 1
    assert Framing.names(params[:3]) == [
        ["crop", *{PLAIN: [], LINEAR: ["brightness-contrast"], CURVED: ["gamma"]}[kind]]
        for kind in params.kind[:3].tolist()
    ]


def test_views_of_one_sample_do_not_depend_on_the_batch():
    framing, batch = Framing(32), images()
    params = draw(framing, batch)
    alone = framing.frame(batch[2:3], params[2])
    assert torch.allclose(alone, framing.frame(batch, params)[2:3], atol=1e-6)


def test_the_whole_image_keeps_its_mean_when_made_smaller():
    batch = images(2, 64)
    assert torch.allclose(whole(batch, 16).mean(dim=(1, 2, 3)), batch.mean(dim=(1, 2, 3)), atol=0.01)
