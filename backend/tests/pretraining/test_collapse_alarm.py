"""The alarm rings on a training that collapses on purpose, and not on one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRun, write_radiographs

from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.pretraining import METHODS
from medssl.pretraining.run import pretrain

LOOP = {"steps": 10, "batch_size": 3, "validate_every": 10, "validation_samples": 4, "checkpoint_every": 10, "precision": "fp32",
        "warmup_steps": 1, "learning_rate": 5e-3}  # fmt: skip
PEAC = {"backbone": "swin_micro", "drop_path": 0.0, "global_hidden": 32, "local_hidden": 16, "teacher_momentum": 0.9}
HEALTHY = {"backbone": "swin_micro", "drop_path": 0.0,
           "training": {"steps": 16, "validate_every": 16, "learning_rate": 2e-3}}  # fmt: skip
ONLY_GLOBAL = {**PEAC, "order_weight": 0.0, "restore_weight": 0.0, "local_weight": 0.0, "global_weight": 1e3}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_radiographs(tmp_path_factory.mktemp("images"), count=4)


def warnings(method: str, config: dict[str, Any], images: Path, folder: Path) -> tuple[list[str], dict[str, float]]:
    """Messages of the alarm, and what the last validation gave."""
    tree = as_dict(build(config_class(METHODS, method), {**config, "training": {**LOOP, **config.get("training", {})}}))
    run = FakeRun(folder / "job", images.parent / "home")
    pretrain(JobSpec("pretrain", method, tree, DataSpec(path=str(images), modality="CXR")), run)
    return [event["message"] for event in run.of("warning") if event["code"] == "collapse"], run.of("metric")[-1]


def test_it_rings_where_only_a_term_is_left_that_a_constant_fulfils(images: Path, tmp_path: Path):
    said, values = warnings("peac", ONLY_GLOBAL, images, tmp_path)
    assert values["global_embedding_variance"] < 0.01, values
    assert said and "embedding" in said[0]


def test_it_stays_silent_where_a_constant_is_no_answer(images: Path, tmp_path: Path):
    said, values = warnings("anatomy", HEALTHY, images, tmp_path)
    assert not said and values["output_variance"] > 0.02
    assert values["validation_loss"] < values["constant_mean_loss"]
