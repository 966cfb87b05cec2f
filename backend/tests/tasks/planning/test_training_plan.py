"""Crop, width and batch from fingerprint and budget, with costs that are simple numbers."""

from __future__ import annotations

import json
from math import prod

import psutil
import pytest
from refusals import refused

from medssl.core import allocator
from medssl.tasks.planning.budget import SHARE, Budget, budget_of
from medssl.tasks.planning.cost import Cost
from medssl.tasks.planning.fingerprint import Fingerprint
from medssl.tasks.planning.plan import MOST_BATCH, Planned, Wanted, plan
from medssl.tasks.planning.pooling import Pooling
from medssl.training.memory import PROCESS

ALIKE = Pooling(((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 4)


def fingerprint(shape=(200, 200, 100), spacing=(1.0, 1.0, 2.0), images=100) -> Fingerprint:
    return Fingerprint(images, shape, images * prod(shape), spacing, "MR", (), {}, {})


def cost_of(stages, width, size) -> Cost:
    """A kilobyte and an operation for each voxel and channel."""
    return Cost(float(width), lambda: (1e6 * width, 1e3 * width))


def made(memory=1e15, flops=None, wanted=Wanted(), **known) -> Planned:
    return plan(fingerprint(**known), wanted, Budget(int(memory), flops, "a test"), cost_of)


def test_with_enough_of_everything_the_whole_image_is_seen_by_a_wide_network():
    found = made()
    assert found.width == 32 and found.batch == 3  # a twentieth of a hundred images
    assert all(0 <= crop - side < 32 for crop, side in zip(found.crop, (200, 200, 100)))


@pytest.mark.parametrize("memory", [2e9, 2e10, 1e11])
def test_a_step_stays_within_the_memory_and_uses_most_of_it(memory):
    found = made(memory)
    assert memory / 2 < found.memory <= memory
    assert found.memory == cost_of(found.pooling, found.width, found.crop).memory(found.crop, found.batch)


def test_less_memory_means_a_smaller_box_of_about_equal_sides_in_mm():
    large, small = made(1e11), made(5e9)
    assert prod(small.crop) < prod(large.crop)
    edges = [side * step for side, step in zip(small.crop, (1.0, 1.0, 2.0))]
    assert max(edges) < 1.5 * min(edges)


def test_where_time_counts_the_network_is_narrower_and_the_step_within_it():
    found = made(flops=2e7)
    assert found.flops <= 2e7 and found.width < 32 and found.batch >= 2


def test_small_images_leave_room_for_width_and_batch():
    small = made(flops=2e7, shape=(40, 50, 40))
    assert small.width > made(flops=2e7).width and small.crop == (40, 56, 40)


@pytest.mark.parametrize("images, batch", [(4, 2), (100, 3), (10_000, MOST_BATCH)])
def test_a_batch_shows_a_twentieth_of_the_set_at_most(images, batch):
    assert made(images=images).batch == batch


def test_what_is_stated_stays():
    found = made(5e9, wanted=Wanted((64, 48, 32), 3, 8))
    assert (found.crop, found.batch, found.width, found.memory) == ((64, 48, 32), 3, 8, 0)
    assert made(2e10, wanted=Wanted((72, 88, 104))).crop == (72, 88, 104)
    half = made(5e9, wanted=Wanted((64, 48, 32), 0, 8))
    assert half.crop == (64, 48, 32) and half.width == 8 and half.memory > 0


def test_a_network_with_its_own_halving_says_what_that_costs_on_flat_voxels():
    flat = {"shape": (300, 300, 40), "spacing": (0.5, 0.5, 4.0)}
    said = made(wanted=Wanted(pooling=ALIKE, width=16), **flat).notes
    assert len(said) == 1 and "8 voxels apart, 32 mm along the coarse axis" in said[0] and "4 mm" in said[0]
    assert made(wanted=Wanted(pooling=ALIKE, width=16), spacing=(1.0, 1.0, 1.5)).notes == made(**flat).notes == ()


def test_a_slow_step_is_announced():
    assert "expect slow steps" in made(flops=1e5, wanted=Wanted((64, 64, 64), 0, 32)).notes[0]


def test_a_box_that_fits_nowhere_is_refused_with_the_numbers():
    with refused("memory-too-small", ["32 × 32 × 32", "a test"]):
        made(1e6)


def test_a_container_has_the_memory_that_it_allows(tmp_path, monkeypatch):
    monkeypatch.setattr(allocator, "CGROUP", tmp_path)
    allowed = psutil.virtual_memory().total // 2
    assert "this computer" in budget_of("cpu").text
    for name, count in (("current", 0), ("max", allowed)):
        (tmp_path / f"memory.{name}").write_text(f"{count}\n")
    found = budget_of("cpu")
    assert found.memory == max(0, int(SHARE["cpu"] * allowed) - PROCESS) and "this container" in found.text


def test_it_survives_json():
    found = made(5e9)
    assert found.centred and Planned.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_plan_made_before_small_images_lay_in_the_middle_keeps_them_where_they_were():
    earlier = made(5e9).as_dict()
    del earlier["centred"]
    assert not Planned.from_dict(json.loads(json.dumps(earlier))).centred
