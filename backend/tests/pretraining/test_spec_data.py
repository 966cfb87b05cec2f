"""Datasets of a training: a resumed run sees the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from refusals import refused

from medssl.datasets.spec.set_parts import SetPart
from medssl.pretraining.spec_data import check_datasets_unchanged


def pair(name: str, count: int = 4) -> tuple[SetPart, SetPart]:
    targets = np.arange(count, dtype=np.float32)[:, None]
    images = [f"/{name}/{n}.png" for n in range(count)]
    return SetPart(name, "binary", ("x",), images, targets), SetPart(
        name, "binary", ("x",), [f"/{name}/v.png"], targets[:1]
    )


def test_a_resumed_run_is_refused_where_a_set_changed(tmp_path: Path):
    path, parts = tmp_path / "sets.json", [pair("a"), pair("b")]
    check_datasets_unchanged(path, parts)
    check_datasets_unchanged(path, parts)
    training, validation = parts[1]
    for changed in (
        dataclasses.replace(training, images=[*training.images[1:], training.images[0]]),
        dataclasses.replace(training, targets=1 - training.targets),
        dataclasses.replace(training, classes=("y",)),
    ):
        with refused("dataset-changed", names="set b"):
            check_datasets_unchanged(path, [parts[0], (changed, validation)])
    with refused("dataset-changed", names="set c"):
        check_datasets_unchanged(path, [*parts, pair("c")])
