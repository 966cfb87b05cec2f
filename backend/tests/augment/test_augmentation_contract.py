"""What holds for every change of training images: drawn once, applied alike alone or in a batch, labels stay labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medssl.augment import Augmentation, Blur, Brightness, Contrast, Gamma, LowResolution, Noise, Warp, warp

ALWAYS = dict(turn_probability=1.0, scale_probability=1.0, bend_probability=1.0)
SINGLE = [Warp(**ALWAYS, mirror=(0, 1)), Blur(), Noise(), Brightness(), Contrast(), Gamma(), LowResolution()]
SHAPES = [(4, 1, 24, 20, 12), (4, 3, 30, 21)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=SHAPES, ids=str)
def images(request):
    return torch.rand(request.param, generator=generator(9))


@pytest.mark.parametrize("change", SINGLE, ids=lambda change: change.name)
def test_a_sample_alone_equals_the_sample_in_its_batch(change, images):
    before = images.clone()
    params = change.draw(images, generator())
    together = change.apply(images, params)
    alone = torch.cat([change.apply(images[n : n + 1], params[n]) for n in range(len(images))])
    assert torch.equal(together, alone) and torch.equal(images, before)
    some = torch.tensor([True, False, True, False])
    mixed = change.apply(images, params, some)
    assert torch.equal(mixed[some], together[some]) and torch.equal(mixed[~some], images[~some])


@pytest.mark.parametrize("options", [ALWAYS, dict(mirror=(0, 1)), dict(**ALWAYS, spacing=(1.0, 1.0, 4.0))], ids=str)
def test_the_kernel_of_the_cpu_and_that_of_other_devices_agree(images, options):
    if images.ndim == 4:
        options = {**options, "spacing": ()}
    change = Warp(**options)
    params = change.draw(images, generator())
    labels = (images[:, :1] * 5).to(torch.uint8)
    torch.testing.assert_close(
        change.apply(images, params), warp._on_device(images, params, "bilinear"), atol=2e-4, rtol=0
    )
    differing = change.apply_labels(labels, params) != warp._on_device(labels, params, "nearest")
    assert differing.float().mean() < 1e-3  # places half way between two voxels


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int64])
def test_a_label_map_keeps_exactly_its_classes(images, kind):
    """Between classes 0 and 7 lies nothing: an interpolated label map would invent 1 to 6."""
    change = Warp(**ALWAYS, mirror=(0, 1))
    labels = (images[:, :1] > 0.5).to(kind) * 7
    warped = change.apply_labels(labels, change.draw(images, generator()))
    assert warped.dtype == kind and set(warped.unique().tolist()) == {0, 7}


def test_labels_go_where_their_voxels_go(images):
    """Of a smooth image, thresholding before and after the warp differs at the rim only."""
    change = Warp(**ALWAYS, mirror=(0, 1))
    axes = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in images.shape[2:]), indexing="ij")
    ball = torch.stack(axes).sub(0.2).square().sum(0).sqrt().expand(4, 1, *images.shape[2:]).contiguous()
    params = change.draw(ball, generator())
    warped = change.apply(ball, params)
    labels = change.apply_labels((ball < 0.6).to(torch.uint8), params)
    clear = (warped - 0.6).abs() > 0.12
    assert torch.equal(labels[clear].bool(), warped[clear] < 0.6) and clear.float().mean() > 0.5
    assert 0 < labels.float().mean() < 1


def test_mirroring_alone_moves_voxels_and_interpolates_nothing(images):
    change, images = (
        Warp(turn_probability=0.0, scale_probability=0.0, mirror=(0,)),
        images.repeat(8, *[1] * (images.ndim - 1)),
    )
    params = change.draw(images, generator())
    changed = change.apply(images, params)
    flipped = params.flips[:, 0]
    assert 0 < flipped.sum() < len(images)
    assert torch.equal(changed[flipped], images[flipped].flip(2)) and torch.equal(changed[~flipped], images[~flipped])


def test_a_turn_of_flat_voxels_keeps_shapes_and_thick_slices_turn_in_their_plane():
    shape = (60, 1, 8, 8, 8)
    flat = Warp(turn_probability=1.0, scale_probability=0.0, spacing=(1.0, 1.0, 2.5))
    matrix = flat.draw(torch.empty(shape), generator()).matrix[:, :, :3]
    spacing = torch.tensor([1.0, 1.0, 2.5])
    rigid = matrix * spacing[None, :, None] / spacing[None, None, :]
    torch.testing.assert_close(rigid @ rigid.transpose(1, 2), torch.eye(3).expand(60, 3, 3), atol=1e-5, rtol=0)
    thick = Warp(turn_probability=1.0, scale_probability=0.0, spacing=(1.0, 1.0, 5.0))
    matrix = thick.draw(torch.empty(shape), generator()).matrix
    assert bool((matrix[:, 2, :2] == 0).all() and (matrix[:, :2, 2] == 0).all() and (matrix[:, 2, 2] == 1).all())


@pytest.mark.parametrize("axes", [2, 3])
def test_moderate_is_strong_with_small_turns_and_without_mirroring(axes):
    moderate, strong = (Augmentation(level, axes=axes) for level in ("moderate", "strong"))
    drawn = moderate.warp.draw(torch.empty(200, 1, *[16] * axes), generator())
    assert not drawn.flips.any() and bool(drawn.bent.any() and drawn.moved.any())
    assert moderate.warp.turn == 15.0 < strong.warp.turn and moderate.warp.scale == strong.warp.scale
    kinds = [[(type(one), type(one.distortion)) for one in chain.intensity.distortions] for chain in (moderate, strong)]
    assert kinds[0] == kinds[1]


def test_a_radiograph_is_never_mirrored_and_never_upside_down_unless_asked():
    drawn = Augmentation("strong", axes=2, mirror=False).warp.draw(torch.empty(500, 1, 16, 16), generator())
    assert not drawn.flips.any()
    plane = drawn.matrix[:, 1:, 1:3]
    assert bool((torch.linalg.det(plane) > 0).all() and (plane[:, 0, 0] > 0).all() and (plane[:, 1, 1] > 0).all())
    assert Augmentation("strong", axes=2, mirror=True).warp.draw(torch.empty(50, 1, 16, 16), generator()).flips.any()


def test_the_spline_reproduces_a_constant_move_and_folds_nothing():
    weights = warp.spline_weights(33, warp.KNOTS)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)
    ramps = torch.stack(torch.meshgrid(*[torch.arange(24.0)] * 3, indexing="ij"))[None].repeat(20, 1, 1, 1, 1)
    change = Warp(turn_probability=0.0, scale_probability=0.0, bend_probability=1.0)
    bent = change.apply(ramps, change.draw(ramps, generator()))[:, :, 3:-3, 3:-3, 3:-3]
    steps = torch.stack([bent.diff(dim=d)[:, :, :17, :17, :17] for d in (2, 3, 4)], dim=2)  # (N, 3, 3, …)
    assert torch.linalg.det(steps.movedim((1, 2), (-2, -1))).min() > 0.2


@pytest.mark.parametrize("level", ["none", "light", "moderate", "strong"])
def test_levels_keep_shape_range_and_type_and_are_functions_of_the_generator(level, images):
    labels = (images[:, :1] * 4).to(torch.uint8)
    changes = Augmentation(level, axes=images.ndim - 2)
    first, masks = changes(images, labels, generator(5))
    again, _ = changes(images, labels, generator(5))
    other, _ = changes(images, labels, generator(6))
    assert first.shape == images.shape and first.dtype == images.dtype and masks.shape == labels.shape
    assert first.min() >= 0 and first.max() <= 1 and torch.equal(first, again)
    assert torch.equal(first, other) == (level == "none")
    assert level in ("moderate", "strong") or torch.equal(masks, labels)
