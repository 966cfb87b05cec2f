"""The distortions follow the released generator's distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from laws import CUBE, REFERENCE, ks_distance, reference_mean

from medssl.distort import BezierIntensity, Flip, InPainting, LocalShuffle, OutPainting


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def shuffled() -> tuple[torch.Tensor, torch.Tensor]:
    """Voxel numbers of 48 cubes before and after, (V,) and (N, V)."""
    numbers = torch.arange(int(np.prod(CUBE)), dtype=torch.float32).reshape(1, 1, *CUBE).repeat(48, 1, 1, 1, 1)
    shuffle = LocalShuffle()
    return numbers[0].flatten().long(), shuffle.apply(numbers, shuffle.draw(numbers, generator())).flatten(1).long()


def test_shuffle_changes_as_many_voxels_as_the_released_one(shuffled):
    before, after = shuffled
    changed = (after != before).float().mean().item()
    assert changed == pytest.approx(reference_mean(REFERENCE["shuffle"]["changed_fraction"]), abs=0.002)


def test_as_many_values_survive_a_shuffle(shuffled):
    before, after = shuffled
    surviving = np.mean([len(cube.unique()) / len(before) for cube in after])
    assert surviving == pytest.approx(reference_mean(REFERENCE["shuffle"]["surviving_fraction"]), abs=0.002)


def test_shuffled_voxels_move_as_far(shuffled):
    before, after = shuffled
    moves = [np.abs(a - b).mean() for a, b in zip(*(np.unravel_index(v.numpy(), CUBE) for v in (after, before)))]
    assert moves == pytest.approx(REFERENCE["shuffle"]["mean_abs_displacement_xyz"], abs=0.002)


def test_window_permutations_are_uniform_and_varied():
    line = torch.arange(4, dtype=torch.float32).repeat(20_000, 1, 1)  # one window may cover all four
    shuffle = LocalShuffle(windows=1, max_fraction=1)
    out = shuffle.apply(line, shuffle.draw(line, generator()))[:, 0].long()
    moved = out[(out[:, 0] != 0) & (out[:, 3] != 3)]  # windows of side 4 only
    counts = (moved * torch.tensor([64, 16, 4, 1])).sum(1).bincount()
    counts = counts[counts > 0]
    assert len(counts) == 14  # all permutations of four that move both ends
    assert counts.max() < 2.5 * counts.min()


@pytest.mark.parametrize(
    ("distortion", "noisy", "quantiles"),
    [
        (InPainting(), True, REFERENCE["inpaint_replaced_fraction"]),
        (OutPainting(), False, REFERENCE["outpaint_kept_fraction"]),
    ],
)
def test_painting_covers_as_much(distortion, noisy, quantiles):
    batch = torch.full((250, 1, *CUBE), 2.0)  # noise is below 1
    fractions = []
    for seed in range(16):
        out = distortion.apply(batch, distortion.draw(batch, generator(seed)))
        painted = (out < 1).flatten(1).numpy()
        shares = np.array([np.count_nonzero(one) for one in painted]) / painted.shape[1]
        fractions.append(shares if noisy else 1 - shares)
    assert ks_distance(np.concatenate(fractions), quantiles) <= 0.06


def test_painted_noise_is_uniform_and_independent():
    batch = torch.full((8, 1, *CUBE), 2.0)
    out = OutPainting().apply(batch, OutPainting().draw(batch, generator()))
    noise = out[out < 1].numpy()
    assert np.abs(np.histogram(noise, 20, (0, 1))[0] / len(noise) - 0.05).max() < 0.002
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.01
    both = (out[0] < 1) & (out[1] < 1)
    assert abs(np.corrcoef(out[0][both], out[1][both])[0, 1]) < 0.02


def test_painting_stays_three_voxels_from_the_border():
    batch = torch.full((400, 1, *CUBE), 2.0)
    out = OutPainting().apply(batch, OutPainting().draw(batch, generator()))
    kept = (out == 2).any(0)[0]
    for axis, side in enumerate(CUBE):
        seen = kept.transpose(0, axis).flatten(1).any(1).nonzero()
        assert (seen.min(), seen.max()) == (3, side - 4)


@pytest.fixture(scope="module")
def curves() -> np.ndarray:
    x = torch.tensor(REFERENCE["bezier"]["x"]).repeat(6000, 1, 1)
    return BezierIntensity().apply(x, BezierIntensity().draw(x, generator()))[:, 0].numpy()


def test_intensity_curves_have_the_released_distribution(curves):
    distances = [ks_distance(curves[:, n], REFERENCE["bezier"]["quantiles_at_x"][n]) for n in range(1, 8)]
    assert max(distances) <= 0.06


def test_half_of_the_curves_are_inverted(curves):
    assert set(np.unique(curves[:, [0, -1]])) == {0.0, 1.0}
    assert (curves[:, 0] > curves[:, -1]).mean() == pytest.approx(REFERENCE["bezier"]["inverted_fraction"], abs=0.03)


def test_without_inversion_every_curve_rises_and_is_the_one_that_was_drawn():
    x = torch.linspace(0, 1, 50).repeat(64, 1, 1)
    rising = BezierIntensity(inversion=False)
    params = rising.draw(x, generator(3))
    assert (rising.apply(x, params).diff(dim=2) >= -1e-6).all()
    assert torch.equal(params.points, BezierIntensity().draw(x, generator(3)).points)


def test_curves_agree_with_dense_interpolation():
    x = torch.rand((20, 1, 5000), generator=generator())
    params = BezierIntensity().draw(x, generator(3))
    out = BezierIntensity().apply(x, params)[:, 0].numpy()
    t = np.linspace(0, 1, 100_001)
    for n, cube in enumerate(x[:, 0].numpy()):
        curve = [
            3 * p * t * (1 - t) ** 2 + 3 * q * t**2 * (1 - t) + t**3 for p, q in params.points[n].double().numpy().T
        ]
        error = np.abs(out[n] - np.interp(cube, curve[0], curve[1][::-1] if params.inverted[n] else curve[1]))
        assert error.mean() < 5e-5
        assert error.max() < 0.03  # where a curve starts vertically, the table's first cell cuts its corner


def test_flip_counts():
    batch = torch.empty(20_000, 1, 2, 2, 2)
    axes = Flip().draw(batch, generator()).axes
    frequency = (axes >= 0).sum(1).bincount(minlength=4) / len(batch)
    assert frequency.tolist() == pytest.approx(REFERENCE["flip_count_probability"], abs=0.015)
    assert (axes[axes >= 0].bincount() / (axes >= 0).sum()).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
