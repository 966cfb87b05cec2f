"""An Ark over a convolutional network: heads first on kept features, then the last stages; teacher and consistency one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from ark_nets import CNN
from fakes import FakeRun, write_dataset_specs
from refusals import refused
from torch import Tensor

from medssl.core.errors import CancelledError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.core.schema import as_dict, build
from medssl.networks.downstream.cnn_classifier import standard_of
from medssl.networks.weights.tensor_files import read_safetensors
from medssl.networks.weights.weight_files import load_weights, open_weights
from medssl.pretraining.ark import kept_features
from medssl.pretraining.ark.config import CNNS, ArkConfig
from medssl.pretraining.ark.method import Ark
from medssl.pretraining.ark.phases import Phases
from medssl.pretraining.run import pretrain

LOOP = {
    "batch_size": 4,
    "precision": "fp32",
    "checkpoint_every": 100,
    "warmup_steps": 1,
    "validate_every": 4,
    "learning_rate": 1e-2,
}
USUAL = dict(CNNS)
FROZEN = {"frozen_share": 0.5, "last_share": 0.25, "fixed_views": 3}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest network of timm under the name of a usual one."""
    monkeypatch.setitem(CNNS, "efficientnet_lite0", {name: CNN[name] for name in ("name", "standard")})


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], ...]:
    folder = tmp_path_factory.mktemp("sets")
    return (
        write_dataset_specs(folder / "one", 10, "one"),
        write_dataset_specs(folder / "two", 8, "two", kind="binary", labels=["Third"]),
    )


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as timm's own programs write it, with the classes of ImageNet."""
    torch.manual_seed(3)
    network = timm.create_model(CNN["name"], num_classes=7)
    network.train()(torch.randn(8, 3, 64, 64))  # its norms have seen something
    path = tmp_path_factory.mktemp("weights") / f"{CNN['name']}-imagenet.pth"
    torch.save(network.state_dict(), path)
    return path


def spec_of(sets: tuple[dict[str, Any], ...], start: Path | str = "", steps: int = 8, **settings: Any) -> JobSpec:
    tree = {
        "backbone": "efficientnet_lite0", "pixels": 64, "projector": 16, "order": "interleaved", **settings,
        "training": {**LOOP, "steps": steps},
    }  # fmt: skip
    return JobSpec("pretrain", "ark", as_dict(build(ArkConfig, tree)), DataSpec(sets=sets), start_from=str(start))


def ran(spec: JobSpec, folder: Path, **keys: Any) -> FakeRun:
    run = FakeRun(folder, folder.parent / "home", **keys)
    pretrain(spec, run)
    return run


def losses(run: FakeRun) -> list[float]:
    return [event["loss"] for event in run.of("loss")]


def last(run: FakeRun, part: str) -> dict[str, Tensor]:
    """Tensors of student or teacher in the newest checkpoint."""
    tensors, _ = read_safetensors(max((run.folder / "checkpoints").glob("*.safetensors")))
    return {n.removeprefix(f"network.{part}."): t for n, t in tensors.items() if n.startswith(f"network.{part}.")}


def test_the_phases_follow_each_other():
    phases = Phases.of(build(ArkConfig, {**FROZEN, "last_stages": 2, "training": {"steps": 8}}), started=True)
    assert [phases.learning(step, 5) for step in range(8)] == [0, 0, 0, 0, 2, 2, 5, 5]
    assert [phases.frozen(step) for step in (3, 4)] == [True, False] and phases.rest_norms
    whole = Phases.of(build(ArkConfig, {"frozen_share": 1.0, "training": {"steps": 8}}), started=False)
    assert whole.learning(7, 5) == 0 and not whole.rest_norms
    plain = Phases.of(ArkConfig(), started=False)
    assert plain.learning(0, 5) == 5 and not plain.last_until


def test_the_rate_begins_anew_with_the_backbone_where_that_is_asked(sets, imagenet: Path, tmp_path: Path):
    share = {"frozen_share": 0.5, "last_share": 0.5}
    falls, anew = (
        [
            event["learning_rate"]
            for event in ran(spec_of(sets, imagenet, rate_restarts=asked, **share), tmp_path / str(asked)).of("loss")
        ]
        for asked in (False, True)
    )
    half = len(falls) // 2
    assert falls == sorted(falls, reverse=True) and falls[half] < 0.7 * falls[0]
    assert anew[half] == anew[0] and anew[half:] == anew[:half] == sorted(anew[:half], reverse=True)


def test_heads_learn_first_then_the_last_stages_then_all(sets, imagenet: Path, tmp_path: Path):
    begun = open_weights(imagenet)
    shares = (
        {"frozen_share": 1.0},
        {"frozen_share": 0.5, "last_share": 0.5},
        {"frozen_share": 0.25, "last_share": 0.25},
    )
    moved = []
    for number, share in enumerate(shares):
        run = ran(spec_of(sets, imagenet, **share), tmp_path / str(number))
        now = last(run, "student")
        assert not torch.equal(now["projector.weight"], torch.zeros_like(now["projector.weight"]))
        moved.append({name for name, tensor in begun.tensors.items() if not torch.equal(tensor, now[name])})
    frozen, ends, all_of_it = moved
    assert not frozen and ends and ends < all_of_it
    assert not any("conv_stem" in name for name in ends) and any("conv_head" in name for name in ends)
    assert any("conv_stem" in name for name in all_of_it)
    assert not any("running" in name for name in all_of_it), "norms rest where training began with weights"
    from_scratch = ran(spec_of(sets, frozen_share=0.0), tmp_path / "scratch")
    assert float(last(from_scratch, "student")["network.bn1.running_mean"].abs().sum()) > 0


def test_kept_features_give_the_losses_of_computed_ones_and_are_computed_once(
    sets, imagenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    computed = []
    usual = kept_features.KeptFeatures.computed

    def counted(self, squares: Tensor, views: list) -> Tensor:
        computed.append(len(views))
        return usual(self, squares, views)

    monkeypatch.setattr(kept_features.KeptFeatures, "computed", counted)
    plain = ran(spec_of(sets, imagenet, **FROZEN, keep_features=False), tmp_path / "plain")
    assert not computed and not (tmp_path / "home" / "cache" / "features").exists()
    kept = ran(spec_of(sets, imagenet, **FROZEN), tmp_path / "kept")
    assert losses(kept) == pytest.approx(losses(plain), rel=1e-4)
    assert [m["validation_loss"] for m in kept.of("metric")] == pytest.approx(
        [m["validation_loss"] for m in plain.of("metric")], rel=1e-4
    )
    count = sum(computed)
    training = sum(one["training"] for one in kept.of("started")[0]["sets"].values())
    assert count == 18 + training * 2 * 2, (
        "whole images, and two further views of those that train, with and without tint"
    )
    again = ran(spec_of(sets, imagenet, **FROZEN), tmp_path / "again")
    assert sum(computed) == count and losses(again) == losses(kept)
    other = ran(spec_of(sets, imagenet, **{**FROZEN, "fixed_views": 4}, consistency=0.0), tmp_path / "other")
    assert sum(computed) == count + training, "one more view of each, without a teacher that asks"
    assert "consistency" not in other.of("loss")[0] and "consistency" in kept.of("loss")[0]
    assert len(list((tmp_path / "home" / "cache" / "features").iterdir())) == 1, "the same backbone, the same folder"


def test_a_run_on_kept_features_goes_on_with_the_same_losses_in_every_phase(sets, imagenet: Path, tmp_path: Path):
    spec = spec_of(sets, imagenet, **FROZEN)
    whole = ran(spec, tmp_path / "whole")
    for at in (3, 6):
        folder = tmp_path / f"part{at}"
        part = FakeRun(folder, tmp_path / "home", cancel_at=at)
        with pytest.raises(CancelledError):
            pretrain(spec, part)
        rest = ran(spec, folder, resume=True)
        assert losses(part) + losses(rest) == losses(whole) and losses(rest)


def test_computing_features_can_be_cancelled_and_goes_on(sets, imagenet: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(kept_features, "BATCH", 4)
    run = FakeRun(tmp_path / "job", tmp_path / "home", cancel_at=3)
    with pytest.raises(CancelledError) as stopped:
        pretrain(spec_of(sets, imagenet, **FROZEN), run)
    assert not run.of("loss") and str(stopped.value.value).startswith("features of images, 8 of")
    assert ran(spec_of(sets, imagenet, **FROZEN), tmp_path / "job", resume=True).of("finished")


def test_another_backbone_has_other_features(sets, imagenet: Path, tmp_path: Path):
    settings = {"frozen_share": 1.0, "fixed_views": 1, "steps": 2}
    first = ran(spec_of(sets, imagenet, **settings), tmp_path / "first")
    scratch = ran(spec_of(sets, **settings), tmp_path / "scratch")
    assert losses(first) != losses(scratch)
    assert len(list((tmp_path / "home" / "cache" / "features").iterdir())) == 2


def test_teacher_and_consistency_are_switched_off_one_by_one(sets, imagenet: Path, tmp_path: Path):
    alone = ran(spec_of(sets, imagenet, frozen_share=1.0, teacher=False), tmp_path / "alone")
    student, teacher = last(alone, "student"), last(alone, "teacher")
    assert all(torch.equal(student[name], teacher[name]) for name in student)
    assert "consistency" in alone.of("loss")[-1]
    plain = ran(spec_of(sets, imagenet, frozen_share=1.0, consistency=0.0), tmp_path / "plain")
    assert all(event["loss"] == pytest.approx(event["prediction"]) for event in plain.of("loss"))
    assert not torch.equal(last(plain, "student")["projector.weight"], last(plain, "teacher")["projector.weight"])
    with refused("setting-overridden", names="teacher"):
        build(ArkConfig, {"teacher": False, "teacher_momentum": 0.5}, preset="laptop")


def test_the_backbone_learns_at_its_own_rate(sets, tmp_path: Path):
    method = Ark(build(ArkConfig, {"backbone_rate": 0.1, "backbone": "efficientnet_lite0", "pixels": 64}), _parts(sets))
    pair = method.network()
    groups = method.groups(pair)
    assert groups is not None and sum(len(g["params"]) for g in groups) == len(list(pair.student.parameters()))
    scales = {id(p): g["lr_scale"] for g in groups for p in g["params"]}
    assert {scales[id(p)] for p in pair.student.backbone_stages()[0][0].parameters()} == {0.1}
    assert {scales[id(p)] for p in (*pair.student.projector.parameters(), *pair.student.omni_heads.parameters())} == {
        1.0
    }
    assert Ark(build(ArkConfig, {"backbone": "efficientnet_lite0"}), _parts(sets)).groups(pair) is None


def test_a_file_of_another_network_is_refused_by_name(sets, tmp_path: Path):
    for name in ("test_resnet", "test_convnext"):
        path = tmp_path / f"{name}.pth"
        torch.save(timm.create_model(name, num_classes=3).state_dict(), path)
        with refused("weights-of-another-network", names=name):
            ran(spec_of(sets, path, steps=1), tmp_path / name)


def test_the_start_says_what_it_took_and_the_weights_say_what_they_are(sets, imagenet: Path, tmp_path: Path):
    run = ran(spec_of(sets, imagenet, steps=2, **FROZEN), tmp_path / "job")
    text = run.of("transfer")[0]["text"]
    assert imagenet.name in text and "new: projector.weight" in text
    model = run.folder / "results" / "model.safetensors"
    network = load_weights(model)
    assert network.plan.method == "ark-cnn" and network.standard == "imagenet" and network.input_size == (64, 64)
    assert CNNS["efficientnet_lite0"]["standard"] != network.standard, "what the file's images were brought to counts"
    further = ran(spec_of(sets, model, steps=2), tmp_path / "further")
    assert "new:" not in further.of("transfer")[0]["text"], "heads of the same sets stay"


def test_the_standards_of_the_choices_are_those_of_timm():
    for name, values in USUAL.items():
        assert values["standard"] == standard_of(values["name"]), name


def _parts(sets: tuple[dict[str, Any], ...]) -> list[Any]:
    from medssl.pretraining.spec_data import read_set_parts

    return [training for training, _ in read_set_parts(DataSpec(sets=sets), 0, lambda *_: None)]
