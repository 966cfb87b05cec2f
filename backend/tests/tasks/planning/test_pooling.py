"""Strides and kernels from size and spacing: the published rules on cases worked out by hand."""

from __future__ import annotations

import itertools

import pytest

from medssl.tasks.planning.pooling import LEAST_SIDE, MOST_STAGES, divisible, pooling


def test_equal_axes_are_halved_alike_until_four_voxels_are_left():
    stages = pooling((40, 56, 40), (1, 1, 1))
    assert stages.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert set(stages.kernels) == {(3, 3, 3)} and stages.divisors == (8, 8, 8)


def test_the_coarse_axis_waits_for_the_others_and_is_not_convolved_along_meanwhile():
    stages = pooling((320, 320, 24), (0.6, 0.6, 3.6))
    assert stages.strides[:4] == ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2))
    assert stages.kernels[:3] == ((3, 3, 1), (3, 3, 1), (3, 3, 3))  # 3.6 mm against 0.6, 1.2 and 2.4
    assert stages.divisors[2] < stages.divisors[0]


def test_an_axis_of_few_voxels_is_halved_no_further_while_the_others_are():
    stages = pooling((64, 64, 8), (1, 1, 1))
    assert stages.divisors == (16, 16, 2)


@pytest.mark.parametrize("size", list(itertools.product((16, 31, 100, 512), (16, 48), (16, 130))))
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 0.5, 5), (3, 1, 1)])
def test_every_stage_divides_and_keeps_four_voxels(size, spacing):
    stages = pooling(size, spacing)
    sides = divisible(size, stages.divisors)
    assert 2 <= len(stages.strides) == len(stages.kernels) <= MOST_STAGES
    assert all(side % divisor == 0 and side // divisor >= LEAST_SIDE for side, divisor in zip(sides, stages.divisors))
    assert all(0 <= side - had < divisor for side, had, divisor in zip(sides, size, stages.divisors))


@pytest.mark.parametrize("size", [(72, 72, 72), (24, 40, 56), (88, 16, 104), (16, 16, 16), (120, 136, 152)])
def test_a_stated_size_is_halved_only_as_far_as_it_stays(size):
    stages = pooling(size, (1, 1, 1), exact=True)
    assert divisible(size, stages.divisors) == size and len(stages.strides) >= 2


def test_two_axes():
    assert pooling((512, 512), (1, 1)).divisors == (32, 32)
