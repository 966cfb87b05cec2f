"""What holds for every registered method: a new line in METHODS is tested from the moment it stands there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes import FakeRun, write_phantoms

from medssl.errors import ConfigError
from medssl.methods import METHODS
from medssl.networks.weights import build_network
from medssl.protocol import DataSpec, JobSpec
from medssl.registry import config_class, implementation
from medssl.schema import as_dict, build, describe, presets
from medssl.training import seeds
from medssl.training.pretrain import load_data

SMALL = {"genesis": {"base_width": 4, "cube": [16, 16, 16]}}  # a network of seconds, for each method


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data"))


@pytest.fixture
def method(name: str):
    return implementation(METHODS, name)(build(config_class(METHODS, name), SMALL[name]), "CT", {"job": "j"})


@pytest.fixture
def batch(name: str, method, data: Path, tmp_path: Path) -> dict[str, torch.Tensor]:
    spec = JobSpec("pretrain", name, as_dict(method.config), DataSpec(path=str(data), modality="CT"))
    volumes, _, _ = load_data(spec, FakeRun(tmp_path / "job", tmp_path / "home"), method.config)
    samples = method.dataset(volumes, seed=1)
    return torch.utils.data.default_collate([samples[n] for n in range(3)])


def views(method, batch: dict[str, torch.Tensor], seed: int):
    return method.views(batch, seeds.generator(seed, "views"))


def test_the_config_is_described_in_plain_json_and_every_preset_builds(name: str):
    kind = config_class(METHODS, name)
    assert json.loads(json.dumps(describe(kind))) and "default" in kind.PRESETS
    for preset, tree in presets(kind).items():
        assert as_dict(build(kind, json.loads(json.dumps(tree)))) == tree, preset


def test_every_field_says_what_it_is(name: str):
    def check(fields):
        for field in fields:
            assert field["description"], field["name"]
            check(field.get("fields", []))

    check(describe(config_class(METHODS, name)))


def test_unknown_and_out_of_range_settings_are_refused_by_name(name: str):
    kind = config_class(METHODS, name)
    with pytest.raises(ConfigError, match="nonsense"):
        build(kind, {"nonsense": 1})
    with pytest.raises(ConfigError, match=r"training\.steps = 0"):
        build(kind, {"training": {"steps": 0}})
    with pytest.raises(ConfigError, match=r"training\.seed = 'x'"):
        build(kind, {"training": {"seed": "x"}})


def test_config_and_schema_import_no_torch(name: str):
    module = METHODS[name][0].partition(":")[0]
    code = f"import sys, medssl.schema, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_views_depend_on_the_generator_alone(method, batch):
    def tensors(seed: int) -> list[torch.Tensor]:
        return [value for value in vars(views(method, batch, seed)).values() if isinstance(value, torch.Tensor)]

    first, again, other = tensors(1), tensors(1), tensors(2)
    assert first and all(torch.equal(a, b) for a, b in zip(first, again))
    assert not all(torch.equal(a, b) for a, b in zip(first, other))


def test_the_loss_is_finite_and_reaches_every_trained_parameter(method, batch):
    network = method.network().train()
    terms = method.loss(network, views(method, batch, 1))
    assert all(torch.isfinite(value) for value in terms.values())
    terms["loss"].backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_a_validation_gives_what_the_loop_reads(method, batch):
    terms = method.evaluate(method.network().eval(), views(method, batch, 1))
    values = method.summarise({name: value.item() for name, value in terms.items()})
    assert {"validation_loss", "constant_mean_loss", "output_variance"} <= values.keys()


def test_the_plan_builds_the_network_it_belongs_to(method):
    plan = method.plan()
    assert plan.normalisation["kind"] != "auto" and plan.provenance["job"] == "j"
    build_network(plan).load_state_dict(method.network().state_dict())
