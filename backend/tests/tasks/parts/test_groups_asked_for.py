"""Groups of the evaluation are made once before the training, as they will be after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from refusals import refused

from medssl.datasets.entry import Entry
from medssl.tasks.labelled_data import LabelledSplit, LabelledSplits, check_groups


def part(*rows: dict[str, str]) -> LabelledSplit:
    return LabelledSplit(tuple(Entry(Path(f"{n}.png"), f"p{n}", attributes=row) for n, row in enumerate(rows)), ())


PARTS = LabelledSplits(
    part(), part({"sex": "F", "age": "40"}, {"sex": "M", "age": "70"}), part({"sex": "F", "age": "63"}, {"sex": "M"}), "CXR"
)  # fmt: skip


def test_groups_that_can_be_made_are_taken_and_a_part_without_images_is_not_asked():
    check_groups(PARTS, ["sex", "age", "age:0,40,60"])
    check_groups(replace(PARTS, test=part()), ["sex"])


@pytest.mark.parametrize(
    ("asked", "code"),
    [("age:forty", "group-bands"), ("age:60,40", "group-bands"), ("sex:40,60", "group-not-numeric"), ("view", "column-missing")],
)  # fmt: skip
def test_others_are_refused(asked: str, code: str):
    with refused(code, names=asked):
        check_groups(PARTS, ["sex", asked])


def test_the_test_images_are_asked_too():
    with refused("group-not-numeric", names="age:40,60"):
        check_groups(replace(PARTS, test=part({"sex": "F", "age": "old"})), ["age:40,60"])
