from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.datasets.crops.sampling import (
    MARGINS,
    SAMPLERS,
    TRIES,
    _bounds,
    _tissue_weight,
    check_sampler,
    draw_crop,
    sampler_rule,
)
from medssl.images.volume import Volume

SIZE = (16, 16, 8)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_cube_is_where_it_says(cached, ct, rng, sampler):
    volume = cached()
    for _ in range(20):
        start, cube = draw_crop(volume, SIZE, sampler, rng)
        assert np.array_equal(cube, ct.array[tuple(slice(s, s + n) for s, n in zip(start, SIZE))])


def test_body_rejects_air_and_uniform_does_not(cached, rng):
    array = np.full((80, 80, 40), -1000, np.int16)
    array[:36, :, :] = rng.integers(0, 100, (36, 80, 40))
    volume = cached(Volume(array))
    drawn = [draw_crop(volume, SIZE, sampler, rng) for sampler in ("body", "uniform") for _ in range(60)]
    judged = [(volume.sparse_crop(start, SIZE) < -500).mean() for start, _ in drawn]
    assert max(judged[:60]) <= 0.85
    assert max((cube < -500).mean() for _, cube in drawn[60:]) == 1


def test_body_keeps_aerated_lung_and_rejects_noisy_air(cached, rng):
    array = rng.normal(-1000, 50, (120, 80, 40))
    array[60:] = rng.normal(-860, 50, (60, 80, 40))
    volume = cached(Volume(array.astype(np.int16), modality="CT"))
    starts = [draw_crop(volume, SIZE, "body", rng)[0][0] for _ in range(60)]
    assert min(starts) > 60 - 16, "no cube of air alone"
    lung = volume.sparse_crop((80, 40, 20), SIZE)
    assert SAMPLERS["body"].score(lung, volume) < 0.2 and SAMPLERS["tissue"].score(lung, volume) > 0.95


def test_a_training_begun_before_lung_was_body_keeps_its_crops():
    assert sampler_rule("body", version=4) == "tissue" and sampler_rule("body", version=5) == "body"
    assert {sampler_rule(sampler, version=4) for sampler in ("lung", "uniform")} == {"lung", "uniform"}


def test_lung_keeps_aerated_cubes(cached, rng):
    array = np.full((80, 80, 40), 40, np.int16)
    array[:, 40:, :] = rng.integers(-900, -800, (80, 40, 40))
    volume = cached(Volume(array))
    starts = [draw_crop(volume, SIZE, "lung", rng)[0] for _ in range(40)]
    weights = [_tissue_weight(volume.sparse_crop(start, SIZE), volume) for start in starts]
    assert max(weights) <= 0.15


def test_tissue_weight_counts_half_below_tissue(cached):
    cube = np.full((2, 2, 5), -1000, np.int16)  # four slices, and one that is only looked at
    cube[0, 0, 2] = 0  # tissue at k = 2: weight 1 there, 0.5 at k = 1
    cube[1, 1, 0] = -150  # the threshold itself is tissue; nothing lies before k = 0
    cube[0, 1, 4] = 0  # behind the last slice: 0.5 in that
    assert _tissue_weight(cube, cached()) == pytest.approx((1 + 0.5 + 1 + 0.5) / 16)


def test_the_lung_sampler_looks_one_slice_behind_the_cube(cached, rng):
    volume, sizes = cached(Volume(np.full((40, 40, 30), -900, np.int16), modality="CT")), []
    look = volume.sparse_crop
    object.__setattr__(volume, "sparse_crop", lambda start, size: sizes.append(tuple(size)) or look(start, size))
    _start, crop = draw_crop(volume, (16, 16, 8), "lung", rng)
    assert sizes == [(16, 16, 9)] and crop.shape == (16, 16, 8)


def test_best_of_fifty_where_nothing_fits(cached, rng):
    array = np.full((100, 100, 50), -1000, np.int16)
    array[48:52, 48:52, 22:28] = 0
    volume = cached(Volume(array))
    starts = []
    look = volume.sparse_crop
    object.__setattr__(volume, "sparse_crop", lambda start, size: starts.append(start) or look(start, size))
    start, _ = draw_crop(volume, SIZE, "body", rng)
    assert len(starts) == TRIES
    tissue = [np.count_nonzero(look(s, SIZE) >= -500) for s in starts]
    assert 0 < max(tissue) == np.count_nonzero(look(start, SIZE) >= -500)


def test_margins(cached):
    volume = cached(Volume(np.zeros((60, 40, 30), np.int16)))
    assert _bounds(volume, (20, 20, 10), MARGINS) == [(12, 28), (8, 12), (6, 14)]
    assert _bounds(volume, (58, 40, 64), MARGINS) == [(1, 1), (0, 0), (0, 0)]  # less margin, then padding


def test_large_volumes_keep_the_published_margins(cached):
    volume = cached(Volume(np.zeros((600, 520, 200), np.int16)))
    assert _bounds(volume, (64, 64, 32), MARGINS) == [(100, 436), (100, 356), (30, 138)]


def test_slices_are_respected(cached, ct, rng):
    volume = cached(slices=(10, 22))
    starts = [draw_crop(volume, SIZE, "uniform", rng)[0][2] for _ in range(60)]
    assert min(starts) >= 10 and max(starts) + 8 <= 22
    _, cube = draw_crop(volume, (16, 16, 20), "uniform", rng)
    assert (cube[..., 12:] == -1000).all()


def test_small_volume_is_padded_with_its_minimum(cached, rng):
    volume = cached(Volume(rng.integers(5, 99, (10, 12, 6)).astype(np.int16)))
    start, cube = draw_crop(volume, SIZE, "body", rng)
    assert start == (0, 0, 0) and cube.shape == SIZE
    assert (cube[10:] == volume.statistics.minimum).all() and (cube[:, :, 6:] == volume.statistics.minimum).all()


def test_samplers_that_do_not_fit(cached, rng):
    mr = cached(Volume(rng.integers(0, 99, (10, 12, 6)).astype(np.int16)))
    with refused("modality-mismatch", names="'lung'"):
        check_sampler("lung", mr)
    with refused("sampler-unknown", names="'heart'"):
        check_sampler("heart", mr)
    check_sampler("body", mr)


def test_a_sparse_look_tells_the_share_of_a_real_cube(cached, rng):
    array = np.full((140, 140, 60), -1000, np.int16)
    array[30:, 20:, :] = 40
    volume = cached(Volume(array))
    for _ in range(20):
        start = [int(rng.integers(0, n)) for n in (76, 76, 28)]
        share = (volume.crop(start, (64, 64, 32)) < -500).mean()
        assert (volume.sparse_crop(start, (64, 64, 32)) < -500).mean() == pytest.approx(share, abs=0.08)
