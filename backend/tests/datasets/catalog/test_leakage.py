"""Leakage between the datasets of a training."""

from __future__ import annotations

from refusals import refused

from medssl.datasets.splits.leakage import LeakageCheck


def test_an_image_that_trains_in_one_set_may_not_be_held_out_in_another():
    leakage = LeakageCheck()
    leakage.add("a", ["1.png", "2.png"], ["3.png"])
    leakage.add("b", ["1.png"], ["3.png", "4.png"])
    leakage.check()  # the same in both
    leakage.add("c", ["5.png"], ["2.png"])
    with refused("leakage-between-datasets", names=["1 image, the first 2.png", "set a", "set c"]):
        leakage.check()
