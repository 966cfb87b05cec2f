from __future__ import annotations

import csv
import dataclasses
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk
import torch
from fakes import FakeRun, tiny_spec, write_phantoms, write_radiographs
from refusals import refused

import medssl
from medssl.core.errors import CancelledError, TrainingError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.crops.loader import collate
from medssl.jobs.split_record import read_split, write_begun
from medssl.networks.weights.tensor_files import read_safetensors
from medssl.networks.weights.weight_files import open_weights
from medssl.pretraining import run as pretraining
from medssl.pretraining.genesis.method import Genesis
from medssl.pretraining.run import pretrain
from medssl.pretraining.volume_data import cache_volumes, record_of
from medssl.training import checkpoints


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data") / "Köpfe und Lungen")


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    folder = tmp_path_factory.mktemp("undisturbed")
    run = FakeRun(folder / "job", folder / "home")
    pretrain(tiny_spec(data), run)
    return run


def weights(run: FakeRun) -> dict[str, torch.Tensor]:
    return read_safetensors(run.folder / "results" / "model.safetensors")[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_tells_its_story_and_leaves_a_model(undisturbed: FakeRun):
    kinds = [event["type"] for event in undisturbed.events]
    assert kinds[0] == "started" and kinds[-1] == "finished"
    assert [e["step"] for e in undisturbed.of("loss")] == [1, 2, 3, 4, 5, 6]
    assert [e["step"] for e in undisturbed.of("metric")] == [3, 6]
    network = medssl.load_weights(undisturbed.folder / undisturbed.of("finished")[0]["model"])
    assert network.plan.modality == "CT" and network.plan.normalisation["kind"] == "ct"
    assert network(torch.rand(1, 1, 16, 16, 16)).shape == (1, 1, 16, 16, 16)


def test_curves_are_left_for_other_tools(undisturbed: FakeRun):
    with (undisturbed.folder / "results" / "losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = {int(row["step"]): float(row["value"]) for row in rows if row["name"] == "loss"}
    assert losses == {event["step"]: event["loss"] for event in undisturbed.of("loss")}
    assert list((undisturbed.folder / "results" / "tensorboard").glob("events*"))


def test_same_seed_same_losses_other_seed_others(undisturbed: FakeRun, data: Path, tmp_path: Path):
    again, other = (FakeRun(tmp_path / str(seed), tmp_path / "home") for seed in (0, 1))
    pretrain(tiny_spec(data), again)
    pretrain(tiny_spec(data, seed=1), other)
    first = [e["loss"] for e in undisturbed.of("loss")]
    assert [e["loss"] for e in again.of("loss")] == first
    assert [e["loss"] for e in other.of("loss")] != first
    assert same(weights(again), weights(undisturbed))


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_cancelled_and_resumed_ends_with_the_same_weights(undisturbed: FakeRun, data: Path, tmp_path: Path, stop: int):
    run = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=stop)
    with pytest.raises(CancelledError):
        pretrain(tiny_spec(data), run)
    again = FakeRun(run.folder, run.home, resume=True)
    pretrain(tiny_spec(data), again)
    assert again.of("resumed")[0]["step"] == stop
    assert [e["loss"] for e in run.of("loss") + again.of("loss")] == [e["loss"] for e in undisturbed.of("loss")]
    assert same(weights(again), weights(undisturbed))
    assert (run.folder / "results" / "losses.csv").read_text() == (
        undisturbed.folder / "results" / "losses.csv"
    ).read_text()


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(undisturbed: FakeRun, data: Path, tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=5)
    with pytest.raises(CancelledError):
        pretrain(tiny_spec(data), run)
    newest, before = checkpoints.list_checkpoints(run.folder / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:5000])
    (newest.parent / ".step-00000006.safetensors.x1").write_bytes(b"half")
    again = FakeRun(run.folder, run.home, resume=True)
    pretrain(tiny_spec(data), again)
    assert again.of("resumed")[0]["step"] == int(before.stem.removeprefix("step-"))
    assert same(weights(again), weights(undisturbed))
    assert len(list(newest.parent.iterdir())) == checkpoints.KEPT


def test_an_accumulated_step_tells_the_mean_loss_of_its_micro_batches(data: Path, tmp_path: Path):
    both, single = (FakeRun(tmp_path / name, tmp_path / "home") for name in ("both", "single"))
    still = {"learning_rate": 1e-9, "schedule": "constant", "weight_decay": 0.0}  # weights stay as they were
    pretrain(tiny_spec(data, accumulate=2, steps=2, **still), both)
    pretrain(tiny_spec(data, steps=4, **still), single)
    losses = [event["loss"] for event in single.of("loss")]
    means = [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2]
    assert [event["loss"] for event in both.of("loss")] == pytest.approx(means, rel=1e-4)


def test_early_stopping(data: Path, tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(tiny_spec(data, steps=50, validate_every=1, patience=2, learning_rate=1e-9, schedule="constant"), run)
    assert run.of("finished")[0]["step"] < 50


def test_a_loss_that_is_no_number_is_skipped_told_and_at_last_fatal(data: Path, tmp_path: Path, monkeypatch):
    def broken(self, network, views):
        return {"loss": network(views.distorted).mean() * float("nan")}

    monkeypatch.setattr(Genesis, "loss", broken)
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("loss-nan", names=["step 4", "5 times"]):
        pretrain(tiny_spec(data, steps=20), run)
    assert [e["code"] for e in run.of("warning")].count("not-a-number") == 5


def test_a_single_loss_that_is_no_number_leaves_no_trace_in_the_model(data: Path, tmp_path: Path, monkeypatch):
    whole = Genesis.loss

    def once(self, network, views):
        spoilt = len(asked) == 2
        asked.append(0)
        views = dataclasses.replace(views, distorted=views.distorted * float("nan")) if spoilt else views
        return whole(self, network, views)

    asked: list[int] = []
    monkeypatch.setattr(Genesis, "loss", once)
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(tiny_spec(data), run)
    assert [e["code"] for e in run.of("warning")].count("not-a-number") == 1
    assert all(tensor.isfinite().all() for tensor in weights(run).values())
    assert all(math.isfinite(e["validation_loss"]) for e in run.of("metric"))


def test_a_gradient_that_is_no_number_leaves_no_trace_either(data: Path, tmp_path: Path, monkeypatch):
    whole = Genesis.loss

    def once(self, network, views):
        asked.append(0)
        terms = whole(self, network, views)
        edge = (terms["loss"] * 0.0).sqrt()  # 0, with an infinite slope
        return {"loss": terms["loss"] + edge} if len(asked) == 2 else terms

    asked: list[int] = []
    monkeypatch.setattr(Genesis, "loss", once)
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(tiny_spec(data), run)
    told = [e["message"] for e in run.of("warning") if e["code"] == "not-a-number"]
    assert len(told) == 1 and told[0].startswith("the gradient is nan")
    assert all(tensor.isfinite().all() for tensor in weights(run).values())


def test_weights_that_are_no_numbers_reach_no_checkpoint(data: Path, tmp_path: Path, monkeypatch):
    def spoil(self, network, step, steps):
        if step == 2:
            next(network.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(Genesis, "after_step", spoil)
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with pytest.raises(TrainingError):
        pretrain(tiny_spec(data, steps=20), run)
    assert [e["step"] for e in run.of("checkpoint")] == [2]


def test_collapse_is_told(data: Path, tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    spec = tiny_spec(data, optimizer="sgd", learning_rate=100.0, schedule="constant", warmup_steps=0, clip_gradient=0.0)
    pretrain(spec, run)
    assert "collapse" in [e["code"] for e in run.of("warning")]


def test_training_starts_from_weights_and_refuses_a_partial_match_unless_told(
    undisturbed: FakeRun, data: Path, tmp_path: Path
):
    start = undisturbed.folder / "results" / "model.safetensors"
    spec = dataclasses.replace(tiny_spec(data, steps=1, learning_rate=1e-9), start_from=str(start))
    run = FakeRun(tmp_path / "a", tmp_path / "home")
    pretrain(spec, run)
    assert torch.allclose(
        weights(run)["out_tr.final_conv.weight"], weights(undisturbed)["out_tr.final_conv.weight"], atol=1e-6
    )
    wider = dataclasses.replace(spec, config={**spec.config, "base_width": 8})
    with refused("weights-incomplete"):
        pretrain(wider, FakeRun(tmp_path / "b", tmp_path / "home"))
    assert open_weights(start).plan.provenance["job"] == undisturbed.folder.name


def test_ct_rules_on_mr_are_refused_before_training(data: Path, tmp_path: Path):
    spec = tiny_spec(data)
    config = {**spec.config, "normalisation": {**spec.config["normalisation"], "kind": "ct"}}
    mr = dataclasses.replace(spec, config=config, data=dataclasses.replace(spec.data, modality="MR"))
    with refused("modality-mismatch", names="MR"):
        pretrain(mr, FakeRun(tmp_path / "job", tmp_path / "home"))


def test_validation_uses_the_same_distortions_every_time(data: Path, tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(tiny_spec(data, steps=4, validate_every=1), run)
    assert len({event["distorted_loss"] for event in run.of("metric")}) == 1


def test_one_cube_alone_equals_the_same_cube_in_a_batch(data: Path, tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    spec = tiny_spec(data)
    config = pretraining.build(pretraining.config_class(pretraining.METHODS, "genesis"), spec.config)
    training, _, _, _ = cache_volumes(spec, run, config)
    dataset = Genesis(config, "CT").dataset(training, 7)
    batch = collate([dataset[n] for n in range(4)])
    assert torch.equal(batch["raw"][2], dataset[2]["raw"])


def stopped(spec: JobSpec, folder: Path, at: int = 3) -> FakeRun:
    run = FakeRun(folder / "job", folder / "home", cancel_at=at)
    with pytest.raises(CancelledError):
        pretrain(spec, run)
    return run


def gone_on(spec: JobSpec, run: FakeRun) -> FakeRun:
    again = FakeRun(run.folder, run.home, resume=True)
    pretrain(spec, again)
    return again


def add(folder: Path, *names: str, spacing: float = 1.0) -> None:
    """Further patients, copies of the first with another spacing."""
    image = sitk.ReadImage(str(folder / "patient0.nrrd"))
    image.SetSpacing([spacing] * 3)
    for name in names:
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))


def test_patients_that_were_added_since_are_no_part_of_a_training_that_goes_on(
    undisturbed: FakeRun, data: Path, tmp_path: Path
):
    folder = shutil.copytree(data, tmp_path / "set")
    run = stopped(tiny_spec(folder), tmp_path)
    add(folder, "a new one", "and another")
    again = gone_on(tiny_spec(folder), run)
    assert [e["loss"] for e in run.of("loss") + again.of("loss")] == [e["loss"] for e in undisturbed.of("loss")]
    assert same(weights(again), weights(undisturbed))
    assert any("2 images are no part of this training" in e["message"] for e in again.of("warning"))
    assert read_split(run.folder) == [], "nobody is tested against images without labels"


def test_their_spacing_stays_too(tmp_path: Path):
    folder = write_phantoms(tmp_path / "set", count=1)
    for number in (0, 1, 2):
        add(folder, f"patient{number}", spacing=1.0 + number / 10)
    spec = tiny_spec(folder)
    spec = dataclasses.replace(spec, config={**spec.config, "geometry": {"spacing": "median"}})
    run = stopped(spec, tmp_path)
    add(folder, *(f"new{number}" for number in range(4)), spacing=1.4)
    again = gone_on(spec, run)
    assert again.of("started")[0]["geometry"] == run.of("started")[0]["geometry"]


def test_what_is_gone_or_broken_is_refused_where_a_training_goes_on(data: Path, tmp_path: Path):
    folder = shutil.copytree(data, tmp_path / "set")
    run = stopped(tiny_spec(folder), tmp_path)
    whole = (folder / "patient1.nrrd").read_bytes()
    (folder / "patient1.nrrd").unlink()
    with refused("split-changed", names="patient1"):
        gone_on(tiny_spec(folder), run)
    (folder / "patient1.nrrd").write_bytes(whole[:200])
    with refused("split-changed", names="patient1.nrrd"):
        gone_on(tiny_spec(folder), run)
    (folder / "patient1.nrrd").write_bytes(whole)
    assert gone_on(tiny_spec(folder), run).of("finished")


def test_a_job_that_recorded_nothing_goes_on_with_what_is_there(data: Path, tmp_path: Path):
    folder = shutil.copytree(data, tmp_path / "set")
    run = stopped(tiny_spec(folder), tmp_path)
    (run.folder / "results" / "begun.json").unlink()
    add(folder, "a new one")
    again = gone_on(tiny_spec(folder), run)
    assert sum(again.of("started")[0][part] for part in ("training", "validation")) == 4


@pytest.mark.parametrize("axes", [2, 3])
def test_a_patient_alone_is_cut_in_two_as_before(tmp_path: Path, axes: int):
    folder, suffix = tmp_path / "set" / "one patient", "png" if axes == 2 else "nrrd"
    write_radiographs(folder, 5) if axes == 2 else write_phantoms(folder, 2, (24, 20, 64))
    table = tmp_path / "set" / "list.csv"
    rows = [f"one patient/{path.name},p" for path in sorted(folder.iterdir())]
    table.write_text("\n".join(["image,patient", *rows]))
    spec = JobSpec("pretrain", "any", {}, DataSpec(path=str(table)))
    config = SimpleNamespace(sample_size=(16,) * axes, training=SimpleNamespace(seed=0))

    def parts(run: FakeRun) -> tuple[list[tuple[str, object]], ...]:
        training, validation, split, warnings = cache_volumes(spec, run, config)
        write_begun(run.folder, record_of(split, warnings), labelled=False)
        return tuple([(one.name, one.slices) for one in part] for part in (training, validation))

    begun = parts(FakeRun(tmp_path / "job", tmp_path / "home"))
    shutil.copy(folder / f"patient1.{suffix}", folder / f"new.{suffix}")
    table.write_text("\n".join(["image,patient", f"one patient/new.{suffix},q", *reversed(rows)]))
    assert parts(FakeRun(tmp_path / "job", tmp_path / "home", resume=True)) == begun


@pytest.mark.parametrize("axes", [2, 3])
def test_a_constant_image_is_left_out_and_told(tmp_path: Path, axes: int):
    folder = write_radiographs(tmp_path / "set", 4) if axes == 2 else write_phantoms(tmp_path / "set", 4)
    spoilt = sorted(folder.iterdir())[1]
    image = sitk.ReadImage(str(spoilt))
    sitk.WriteImage(image * 0, str(spoilt))
    config = SimpleNamespace(sample_size=(16,) * axes, training=SimpleNamespace(seed=0))
    spec = JobSpec("pretrain", "any", {}, DataSpec(path=str(folder)))
    training, validation, _, warnings = cache_volumes(spec, FakeRun(tmp_path / "job", tmp_path / "home"), config)
    assert len(training) + len(validation) == 3
    (warned,) = [one for one in warnings if one["code"] == "unreadable-image"]
    assert spoilt.name in warned["message"] and "constant" in warned["message"]
