"""Cyclic training from dataset specs to a weight file: sets made of files, events, damaged images, added sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeRun, write_dataset_specs
from refusals import refused

from medssl.core.errors import CancelledError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.run import pretrain
from medssl.pretraining.spec_data import read_set_parts

LOOP = {"batch_size": 4, "precision": "fp32", "checkpoint_every": 1, "warmup_steps": 1, "validate_every": 2}


def spec_of(sets: list[dict[str, Any]], start: str = "", steps: int = 4, **settings: Any) -> JobSpec:
    loop = {**LOOP, "steps": steps, "validate_every": settings.pop("validate_every", LOOP["validate_every"])}
    tree = {"backbone": "swin_micro_112", "projector": 16, **settings, "training": loop}
    return JobSpec("pretrain", "ark", as_dict(build(ArkConfig, tree)), DataSpec(sets=tuple(sets)), start_from=start)


@pytest.fixture
def two(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        write_dataset_specs(tmp_path / "one", 8, "one", licence="CC BY"),
        write_dataset_specs(tmp_path / "two", 6, "two", kind="binary", labels=["Third"], licence="CC0"),
    ]


def losses(run: FakeRun) -> list[float]:
    return [event["loss"] for event in run.of("loss")]


def test_sets_are_visited_in_turn_and_every_event_names_its_set(two: list[dict[str, Any]], tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(spec_of(two, epochs=2), run)
    started, named = run.of("started")[0], [[n for n in e if n.startswith("loss_")] for e in run.of("loss")]
    assert started["sets"]["one"]["training"] + started["sets"]["one"]["validation"] == 8
    epoch = [["loss_one"]] * 2 + [["loss_two"]] * 2
    assert named == epoch * 2 and started["steps"] == 8
    assert all(0 <= event[share] <= 1 for event in run.of("loss") for share in ("data_wait", "augmenting"))
    assert all(event["augmenting"] > 0 for event in run.of("loss"))
    metrics = run.of("metric")
    assert len(metrics) == 2 and {"validation_loss", "loss_one", "loss_two", "student_loss_one"} <= metrics[0].keys()
    network = load_weights(run.folder / "results" / "model.safetensors")
    assert [one["name"] for one in network.sets] == ["one", "two"]
    assert network.plan.provenance["sets"] == {name: started["sets"][name]["training"] for name in ("one", "two")}


def test_the_released_rate_follows_the_loss_of_the_student(two: list[dict[str, Any]], tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(spec_of(two, epochs=2, fidelity="released"), run)
    metric, peak = run.of("metric")[0], run.of("started")[0]["config"]["training"]["learning_rate"]
    student = (metric["student_loss_one"] + metric["student_loss_two"]) / 2
    assert student != metric["validation_loss"]  # which is the teacher's
    rates = [event["learning_rate"] for event in run.of("loss")]
    assert rates[:4] == [pytest.approx(1e-6)] * 4  # before the first validation
    assert rates[4:] == pytest.approx([1e-6 + student / 20 * (peak - 1e-6)] * 4, rel=1e-4)


def test_what_is_odd_in_the_tables_is_told_before_the_first_step(tmp_path: Path):
    odd = write_dataset_specs(tmp_path / "one", 8, "one", exclude={"sex": ["X"]})
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(spec_of([odd], steps=1), run)
    told = [event for event in run.of("warning") if event["code"] == "declaration"]
    assert len(told) == 1 and "X" in told[0]["message"] and told[0]["remedy"]


def test_a_cancelled_training_goes_on_with_the_same_losses(two: list[dict[str, Any]], tmp_path: Path):
    spec = spec_of(two, steps=6, fidelity="released")  # whose rate depends on the last validation
    whole = FakeRun(tmp_path / "whole", tmp_path / "home")
    pretrain(spec, whole)
    part = FakeRun(tmp_path / "part", tmp_path / "home", cancel_at=3)
    with pytest.raises(CancelledError):
        pretrain(spec, part)
    rest = FakeRun(tmp_path / "part", tmp_path / "home", resume=True)
    pretrain(spec, rest)
    assert losses(part) + losses(rest) == losses(whole) and len(losses(rest)) == 3
    assert whole.of("loss")[0]["learning_rate"] == 1e-6 < whole.of("loss")[3]["learning_rate"]


def test_an_image_damaged_in_the_middle_of_a_training_is_left_out_and_told(two: list[dict[str, Any]], tmp_path: Path):
    spec = spec_of(two, steps=6, keep_images=False)
    part = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=2)
    with pytest.raises(CancelledError):
        pretrain(spec, part)
    (tmp_path / "one" / "patient1.png").write_bytes(b"gone")
    run = FakeRun(tmp_path / "job", tmp_path / "home", resume=True)
    pretrain(spec, run)
    warnings = [event for event in run.of("warning") if event["code"] == "unreadable-image"]
    assert run.of("finished") and len(warnings) <= 1
    assert all("patient1.png of set one" in event["message"] for event in warnings)


def test_a_damaged_validation_image_is_counted_and_a_changed_table_is_no_resume(
    two: list[dict[str, Any]], tmp_path: Path
):
    spec = spec_of(two[:1], steps=4, validate_every=1)
    part = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=1)
    with pytest.raises(CancelledError):
        pretrain(spec, part)
    table = tmp_path / "one" / "table.csv"
    text = table.read_text()
    table.write_text(text.replace(",1,", ",0,", 1))
    with refused("dataset-changed", names="set one"):
        pretrain(spec, FakeRun(tmp_path / "job", tmp_path / "home", resume=True))
    table.write_text(text)
    parts = read_set_parts(spec.data, 0, lambda *_: None)
    Path(parts[0][1].images[0]).write_bytes(b"gone")
    run = FakeRun(tmp_path / "job", tmp_path / "home", resume=True)
    if len(parts[0][1].images) == 1:
        with refused("images-unreadable", names="set one: 1 validation images"):
            pretrain(spec, run)
    else:
        pretrain(spec, run)
        assert Path(parts[0][1].images[0]).name in str(run.of("warning"))


def test_too_many_damaged_images_stop_a_training(two: list[dict[str, Any]], tmp_path: Path):
    for n in range(1, 6):
        (tmp_path / "one" / f"patient{n}.png").write_bytes(b"gone")
    with refused("images-unreadable", names="set one: 2 of 7 images"):
        pretrain(spec_of(two, steps=8), FakeRun(tmp_path / "job", tmp_path / "home"))


def test_a_set_is_added_to_a_trained_model_and_both_are_trained(two: list[dict[str, Any]], tmp_path: Path):
    first = FakeRun(tmp_path / "first", tmp_path / "home")
    pretrain(spec_of(two[:1]), first)
    model = first.folder / "results" / "model.safetensors"
    second = FakeRun(tmp_path / "second", tmp_path / "home")
    pretrain(spec_of(two, start=str(model)), second)
    assert "new: omni_heads.1" in second.of("transfer")[0]["text"]
    old, grown = (
        load_weights(model, "student"),
        load_weights(second.folder / "results" / "model.safetensors", "student"),
    )
    assert [one["name"] for one in grown.sets] == ["one", "two"]
    assert set(grown.plan.provenance["sets"]) == {"one", "two"}
    assert not torch.equal(old.omni_heads[0].weight, grown.omni_heads[0].weight)
    assert {name for event in second.of("loss") for name in event if name.startswith("loss_")} == {
        "loss_one",
        "loss_two",
    }
    only_new = FakeRun(tmp_path / "third", tmp_path / "home")  # the other head stays as it is
    pretrain(spec_of(two[1:], start=str(model)), only_new)
    kept = load_weights(only_new.folder / "results" / "model.safetensors", "student")
    assert torch.equal(old.omni_heads[0].weight, kept.omni_heads[0].weight) and len(kept.omni_heads) == 2
    assert set(kept.plan.provenance["sets"]) == {"one", "two"}  # the first one's images shaped it too
    assert kept.plan.provenance["licences"] == {"one": "CC BY", "two": "CC0"}


def test_wrong_kinds_of_training_sets_are_refused(two: list[dict[str, Any]], tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    plain = JobSpec("pretrain", "ark", spec_of(two).config, DataSpec(path=str(tmp_path / "one")))
    with refused("method-needs-dataset-specs", names="'ark'"):
        pretrain(plain, run)
    with refused("method-takes-no-dataset-specs", names="'genesis'"):
        pretrain(JobSpec("pretrain", "genesis", {}, DataSpec(sets=tuple(two))), run)
    with refused("dataset-name-repeated", names="set one"):
        pretrain(spec_of([two[0], two[0]]), run)
