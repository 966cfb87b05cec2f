"""What holds for every registered method: a new line in METHODS is tested from the moment it stands there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes import FakeRun, write_dataset_specs, write_phantoms, write_radiographs
from refusals import refused

from medssl.core import seeds
from medssl.core.errors import CancelledError
from medssl.core.protocol import DataSpec, JobSpec, to_json
from medssl.core.registry import config_class
from medssl.core.requests import PreviewRequest
from medssl.core.schema import as_dict, build, describe, presets
from medssl.handlers.worker.local import run_here
from medssl.images.formats.reading import read_volume
from medssl.networks.weights.weight_files import load_weights, save_weights
from medssl.pretraining import METHODS
from medssl.pretraining.run import pretrain, read_training_data
from medssl.pretraining.training_data import TrainingData

SMALL = {  # a network of seconds, for each method
    "genesis": {"base_width": 4, "cube": [16, 16, 16]},
    "anatomy3d": {"base_width": 4, "dimension": 8, "crop": [32, 32, 24], "view": [16, 16, 16], "queries": 32},
    "peac": {"backbone": "swin_micro", "global_hidden": 32, "local_hidden": 16},
    "anatomy": {"backbone": "swin_micro"},
    "ark": {"backbone": "swin_micro_112", "projector": 16, "intensity_probability": 1.0},
}


def phantoms(folder: Path) -> DataSpec:
    return DataSpec(path=str(write_phantoms(folder)), modality="CT")


def radiographs(folder: Path) -> DataSpec:
    return DataSpec(path=str(write_radiographs(folder)), modality="CXR")


def dataset_specs(folder: Path) -> DataSpec:
    return DataSpec(sets=(write_dataset_specs(folder, count=8),))


DATA = {  # what it is trained on
    "genesis": phantoms, "peac": radiographs, "anatomy": radiographs, "anatomy3d": phantoms, "ark": dataset_specs,
}  # fmt: skip
ON_SPECS = ("ark",)  # whose validation is their own


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def data(name: str, tmp_path: Path) -> DataSpec:
    return DATA[name](tmp_path / "data")


@pytest.fixture
def training_data(name: str, data: DataSpec, tmp_path: Path) -> TrainingData:
    config = build(config_class(METHODS, name), SMALL[name])
    spec = JobSpec("pretrain", name, as_dict(config), data)
    return read_training_data(spec, FakeRun(tmp_path / "j", tmp_path / "home"), config)


@pytest.fixture
def method(training_data: TrainingData):
    return training_data.method


@pytest.fixture
def batch(method, training_data: TrainingData) -> dict[str, torch.Tensor]:
    samples = method.dataset(training_data.training, seed=1)
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
    with refused("setting-unknown", names="nonsense"):
        build(kind, {"nonsense": 1})
    with refused("setting-out-of-range", names="training.steps = 0"):
        build(kind, {"training": {"steps": 0}})
    with refused("setting-type", names="training.seed = 'x'"):
        build(kind, {"training": {"seed": "x"}})


def test_config_and_schema_import_no_torch(name: str):
    module = METHODS[name].config.partition(":")[0]
    code = f"import sys, medssl.core.schema, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
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


def test_a_validation_gives_what_the_loop_reads(name: str, method, training_data: TrainingData, batch):
    if name in ON_SPECS:
        assert "validation_loss" in method.validation(training_data.validation, 1)(method.network().eval())
        return
    terms = method.evaluate(method.network().eval(), views(method, batch, 1))
    values = method.summarise({name: value.item() for name, value in terms.items()})
    assert {"validation_loss", "constant_mean_loss", "output_variance"} <= values.keys()


def test_the_plan_opens_what_the_training_leaves(name: str, method, tmp_path: Path):
    plan, network = method.plan(), method.network()
    assert plan.normalisation["kind"] != "auto" and plan.provenance["job"] == "j"
    save_weights(tmp_path / "model.safetensors", network.state_dict(), plan)
    opened = load_weights(tmp_path / "model.safetensors")
    trained = getattr(network, "teacher" if name in ON_SPECS else "student", network)
    assert all(torch.equal(tensor, opened.state_dict()[name]) for name, tensor in trained.state_dict().items())


def test_a_small_training_runs_to_its_end_and_resumes_after_a_cancel(name: str, method, data: DataSpec, tmp_path: Path):
    loop = {"steps": 3, "batch_size": 2, "validate_every": 3, "validation_samples": 2, "checkpoint_every": 1,
            "precision": "fp32", "warmup_steps": 1}  # fmt: skip
    config = as_dict(build(config_class(METHODS, name), {**SMALL[name], "training": loop}))
    spec = JobSpec("pretrain", name, config, data)

    def losses(run: FakeRun) -> dict[int, float]:
        pretrain(spec, run)
        return {event["step"]: event["loss"] for event in run.of("loss")}

    whole = losses(FakeRun(tmp_path / "whole", tmp_path / "home"))
    with pytest.raises(CancelledError):
        losses(FakeRun(tmp_path / "part", tmp_path / "home", cancel_at=1))
    rest = losses(FakeRun(tmp_path / "part", tmp_path / "home", resume=True))
    assert set(rest) == {2, 3} and all(rest[step] == whole[step] for step in rest)


def test_a_preview_shows_what_a_training_would_see(name: str, data: DataSpec, tmp_path: Path):
    request = PreviewRequest(data, name, as_dict(build(config_class(METHODS, name), SMALL[name])), count=2)
    result = run_here("preview", to_json(request), tmp_path / "home", tmp_path / "out", lambda *_: None)
    pictures = [read_volume(tmp_path / "out" / f"{kind}.nrrd").array for kind in ("original", "distorted")]
    assert pictures[0].shape == pictures[1].shape and not (pictures[0] == pictures[1]).all()
    assert len(result.table) == 2 and all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)


def test_reading_volumes_imports_nothing_of_dataset_specs():
    code = (
        "import sys, medssl.pretraining.run as run; run.load(run.READERS['catalogue'])\n"
        "assert not [name for name in sys.modules if name.startswith('medssl.datasets.spec')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
