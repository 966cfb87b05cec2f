"""Cyclic training on real radiographs: four sets with label spaces of their own."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from fakes import FakeRun

from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.datasets.spec.spec import DatasetSpec
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.run import pretrain

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_heads_of_real_sets_learn(shared_data: Path, tmp_path: Path):
    make_sets = runpy.run_path(str(ROOT / "backend" / "benchmarks" / "experiments" / "accruing.py"))["make_sets"]
    paths = make_sets(shared_data / "cxr-nih", shared_data / "cxr-lungs", tmp_path / "sets")
    sets = tuple(
        DatasetSpec.from_dict({**json.loads(path.read_text()), "root": str(path.parent)}).as_dict()
        for path in paths.values()
    )
    config = build(ArkConfig, {"epochs": 2, "training": {"seed": 1}}, "laptop")
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(JobSpec("pretrain", "ark", as_dict(config), DataSpec(sets=sets)), run)
    kinds = {name: count["training"] for name, count in run.of("started")[0]["sets"].items()}
    assert len(kinds) == 4 and min(kinds.values()) > 20
    first, last = run.of("metric")[0], run.of("metric")[-1]
    aucs = [last[f"student_auc_{name}"] for name in kinds]
    assert sum(aucs) / 4 > 0.6 and last["student_auc_pneumonia-b"] > 0.65
    assert last["validation_loss"] < first["validation_loss"]
