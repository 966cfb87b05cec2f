"""Ark's losses against slow, literal versions; whose labels reach which head; the teacher; added sets."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import write_radiographs
from refusals import refused
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from medssl.core import seeds
from medssl.datasets.crops.loader import collate
from medssl.datasets.spec.set_parts import SetPart
from medssl.networks.ark import ArkNetwork, ArkPair
from medssl.networks.weights.weight_files import open_weights, save_weights
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.ark.loss import consistency_loss, prediction_loss, ramp, teacher_momentum
from medssl.pretraining.ark.method import Ark, ArkViews
from medssl.pretraining.ark.validation import mean_auc
from medssl.training.config import TrainingConfig
from medssl.training.optimisers import learning_rate

NAN = float("nan")
SMALL = ArkConfig(
    drop_path=0.0,
    backbone="swin_micro_112",
    projector=16,
    training=TrainingConfig(steps=20, batch_size=4, precision="fp32"),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[str]:
    folder = write_radiographs(tmp_path_factory.mktemp("ark"), 8)
    return [str(path) for path in sorted(folder.glob("*.png"))]


@pytest.fixture(scope="module")
def sets(images: list[str]) -> list[SetPart]:
    first = np.array([[n % 2, NAN if n == 3 else n % 3 == 0] for n in range(5)], np.float32)
    return [
        SetPart("a", "multi-label", ("x", "y"), images[:5], first),
        SetPart("b", "multi-class", ("p", "q", "r"), images[5:], np.eye(3, dtype=np.float32)),
        SetPart("c", "binary", ("z",), images[2:6], np.array([[1], [0], [1], [0]], np.float32)),
    ]


@pytest.fixture(scope="module")
def method(sets: list[SetPart]) -> Ark:
    return Ark(SMALL, sets)


def views_of(method: Ark, number: int, seed: int = 0) -> ArkViews:
    """Of the first step that visits a set."""
    size = method.config.training.batch_size
    step = next(step for step in range(100) if method.schedule[step].set == number)
    dataset = method.dataset(method.sets, 0)
    batch = collate([dataset[step * size + n] for n in range(size)])
    return method.views(batch, seeds.generator(seed, "views"))


def test_the_binary_loss_is_the_mean_over_known_labels():
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.1], [-0.7, 0.4]])
    targets = torch.tensor([[1.0, 0.0], [NAN, 0.7], [0.0, NAN]])
    literal = []
    for row, wanted in zip(logits.tolist(), targets.tolist()):
        for logit, target in zip(row, wanted):
            if target == target:
                p = 1 / (1 + math.exp(-logit))
                literal.append(-(target * math.log(p) + (1 - target) * math.log(1 - p)))
    assert prediction_loss(logits, targets, False).item() == pytest.approx(sum(literal) / len(literal), rel=1e-6)


def test_the_loss_of_several_classes_is_the_mean_over_known_rows():
    logits = torch.tensor([[0.3, -1.2, 0.5], [2.0, 0.1, 0.0], [-0.7, 0.4, 1.0]])
    targets = torch.tensor([[1.0, 0, 0], [NAN] * 3, [0, 0, 1.0]])
    literal = [
        -math.log(math.exp(row[place]) / sum(math.exp(v) for v in row))
        for row, place in ((logits[0].tolist(), 0), (logits[2].tolist(), 2))
    ]
    assert prediction_loss(logits, targets, True).item() == pytest.approx(sum(literal) / 2, rel=1e-6)


def test_labels_nobody_knows_cost_nothing_and_pull_nowhere():
    logits = torch.randn(3, 2, requires_grad=True)
    for exclusive in (False, True):
        loss = prediction_loss(logits, torch.full((3, 2), NAN), exclusive)
        loss.backward()
        assert loss.item() == 0.0 and logits.grad is not None and not logits.grad.any()


def test_the_consistency_is_a_mean_square_without_gradient_into_the_teacher():
    student, teacher = torch.randn(2, 5, requires_grad=True), torch.randn(2, 5, requires_grad=True)
    loss = consistency_loss(student, teacher)
    literal = sum((a - b) ** 2 for a, b in zip(student.flatten().tolist(), teacher.flatten().tolist())) / 10
    loss.backward()
    assert loss.item() == pytest.approx(literal, rel=1e-6) and teacher.grad is None and student.grad is not None


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_step_is_what_the_paper_writes(method: Ark, share: float):
    """(1 - c) L_d + c MSE, with everything computed by hand from the networks' parts."""
    pair = method.network()
    with torch.no_grad():
        for parameter in pair.teacher.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    method.before_step(pair, round(share * 20))
    for number, part in enumerate(method.sets):
        views = views_of(method, number)
        terms = method.loss(pair, views)
        student = pair.student(ArkNetwork.standardise(views.distorted))
        teacher = pair.teacher(ArkNetwork.standardise(views.original))
        logits = student @ pair.student.omni_heads[number].weight.T + pair.student.omni_heads[number].bias
        prediction = prediction_loss(logits, views.targets, part.kind == "multi-class")
        begun = method.schedule.began(round(share * 20)) / 20
        c = 0.5 * 0.5 * (1 - math.cos(math.pi * begun))
        wanted = (1 - c) * prediction + c * (student - teacher).square().mean()
        assert terms["loss"].item() == pytest.approx(wanted.item(), rel=1e-5)
        assert terms[f"loss_{part.name}"].item() == pytest.approx(prediction.item(), rel=1e-5)
        assert [name for name in terms if name.startswith("loss_")] == [f"loss_{part.name}"]
    method.before_step(pair, 0)


def test_the_consistency_counts_alike_within_a_pass_and_more_in_the_next(method: Ark):
    pair, shares = method.network(), []
    for step in range(2 * method.schedule.epoch):
        method.before_step(pair, step)
        shares.append(method._share)
    places = [method.schedule[step].set for step in range(len(shares))]
    for before, after in itertools.pairwise(range(len(shares))):
        same = places[before] == places[after]
        assert (shares[before] == shares[after]) == same and shares[before] <= shares[after]


def test_labels_of_one_set_never_reach_another_head(method: Ark):
    for number in range(3):
        pair = method.network().train()
        method.before_step(pair, 10)
        method.loss(pair, views_of(method, number))["loss"].backward()
        touched = {name for name, parameter in pair.named_parameters() if parameter.grad is not None}
        assert not any(name.startswith("teacher.") for name in touched)
        heads = {name.split(".")[2] for name in touched if name.startswith("student.omni_heads.")}
        assert heads == {str(number)}


def test_other_labels_of_other_sets_change_nothing_of_a_step(method: Ark, sets: list[SetPart]):
    """Turning round every label of the other sets leaves loss and gradients of this one bit-equal."""
    turned = [sets[0], *(dataclasses.replace(part, targets=1 - part.targets) for part in sets[1:])]
    grads = []
    for some in (sets, turned):
        torch.manual_seed(0)
        mine = Ark(SMALL, some)
        pair = mine.network().train()
        mine.loss(pair, views_of(mine, 0))["loss"].backward()
        grads.append([parameter.grad for parameter in pair.parameters() if parameter.grad is not None])
    assert len(grads[0]) == len(grads[1]) and all(torch.equal(a, b) for a, b in zip(*grads))


def test_the_student_sees_other_intensities_and_the_teacher_the_same_crop_or_the_whole(sets: list[SetPart]):
    config = dataclasses.replace(SMALL, intensity_probability=1.0)
    same, whole = Ark(config, sets), Ark(dataclasses.replace(config, teacher_view="whole"), sets)
    crop, image = views_of(same, 0), views_of(whole, 0)
    assert torch.equal(crop.distorted, image.distorted) and not torch.equal(crop.distorted, crop.original)
    plain = views_of(Ark(dataclasses.replace(config, intensity_probability=0.0), sets), 0)
    assert torch.equal(plain.distorted, plain.original)  # the teacher's crop is the student's without changes
    assert torch.allclose(crop.original.mean(), plain.original.mean(), atol=0.1)
    dataset = whole.dataset(sets, 0)
    squares = whole.seen([whole.prepared.get(sets[0].images[dataset[n]["volume"]]) for n in range(4)])
    assert torch.allclose(image.original, squares, atol=1e-6)


def test_student_and_teacher_start_equal_or_with_other_heads_as_released(sets: list[SetPart]):
    def differing(method: Ark) -> set[str]:
        pair = method.network()
        teacher = pair.teacher.state_dict()
        return {name for name, tensor in pair.student.state_dict().items() if not torch.equal(tensor, teacher[name])}

    assert differing(Ark(SMALL, sets)) == set()
    released = Ark(dataclasses.replace(SMALL, fidelity="released"), sets)
    names = differing(released)
    assert names and all(name.startswith("omni_heads.") for name in names)
    assert {head["activation"] for head in released.heads} == {"sigmoid"} and released.heads[1]["kind"] == "multi-class"
    assert released.config.training.schedule == "validation-loss"


def test_the_teacher_follows_after_each_pass_or_each_step(sets: list[SetPart]):
    """Passes of 2, 1 and 1 steps: the teacher moves with steps 1, 2 and 3 of every epoch of four."""
    for update, moving in (("pass", [1, 2, 3, 5, 6, 7]), ("step", list(range(8)))):
        method = Ark(dataclasses.replace(SMALL, teacher_update=update), sets)
        pair = method.network()
        moved = []
        for step in range(8):
            with torch.no_grad():
                pair.student.projector.bias.add_(1.0)
            before, student = pair.teacher.projector.bias.clone(), pair.student.projector.bias.clone()
            method.after_step(pair, step, 20)
            if not torch.equal(before, pair.teacher.projector.bias):
                moved.append(step)
                momentum = 1 - 0.1 * 0.5 * (1 + math.cos(math.pi * step / 20))
                assert torch.allclose(pair.teacher.projector.bias, momentum * before + (1 - momentum) * student)
        assert moved == moving
        assert [step for step in range(8) if method.should_log(step)] == [1, 2, 3, 5, 6, 7]


def test_schedules_begin_and_end_as_published():
    assert (ramp(0.0, 0.5), ramp(0.5, 0.5), ramp(1.0, 0.5)) == pytest.approx((0.0, 0.25, 0.5))
    found = tuple(teacher_momentum(share, 0.9) for share in (0.0, 0.5, 1.0))
    assert found == pytest.approx((0.9, 0.95, 1.0))


def test_epochs_become_steps_and_a_validation_follows_each(sets: list[SetPart]):
    config = dataclasses.replace(SMALL, epochs=10, warmup_epochs=2)
    training = Ark(config, sets).config.training
    assert (training.steps, training.warmup_steps, training.validate_every) == (40, 8, 4)
    assert Ark(SMALL, sets).config.training.steps == 20


def test_the_released_rate_follows_the_validation_loss_and_never_reaches_its_peak():
    config = TrainingConfig(steps=1000, learning_rate=0.3, schedule="validation-loss", warmup_steps=100)
    assert learning_rate(config, 0) == 1e-6
    for step in (1, 500, 999):
        for loss in (0.2, 0.35, 0.5):
            assert learning_rate(config, step, validation_loss=loss) == pytest.approx(1e-6 + 0.015 * loss, rel=1e-4)


def test_validation_measures_every_set_and_is_chosen_by_the_teacher(method: Ark, sets: list[SetPart]):
    pair = method.network().eval()
    with torch.no_grad():
        pair.teacher.omni_heads[0].bias.add_(3.0)
    values = method.validation(sets, 0)(pair)
    again = method.validation(sets, 0)(pair)
    assert values == again
    assert values["validation_loss"] == pytest.approx(np.mean([values[f"loss_{name}"] for name in "abc"]))
    assert values["loss_a"] != values["student_loss_a"] and values["loss_b"] == values["student_loss_b"]
    assert values["auc_a"] == pytest.approx(values["student_auc_a"])  # a bias moves no rank
    images = method.seen([method.prepared.get(image) for image in sets[0].images])
    logits = pair.teacher.omni_heads[0](pair.teacher(ArkNetwork.standardise(images)))
    wanted = prediction_loss(logits, torch.from_numpy(sets[0].targets), False).item()
    assert values["loss_a"] == pytest.approx(wanted, rel=1e-4)


def test_auc_leaves_out_what_is_unknown_and_classes_that_do_not_vary():
    targets = np.array([[1, 0, 1], [0, 0, NAN], [1, 0, 0]])
    scores = np.array([[0.9, 0.1, 0.2], [0.1, 0.2, 0.0], [0.2, 0.3, 0.5]])
    assert mean_auc(targets, scores) == pytest.approx((1.0 + 0.0) / 2)
    assert mean_auc(targets[:, 1:2], scores[:, 1:2]) is None


# Continual training


@pytest.fixture
def trained(method: Ark, tmp_path: Path) -> Path:
    torch.manual_seed(5)
    pair = method.network()
    with torch.no_grad():
        for parameter in pair.teacher.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_weights(tmp_path / "old.safetensors", pair.state_dict(), method.plan())
    return tmp_path / "old.safetensors"


@torch.no_grad()
def answers(pair: ArkPair, x: Tensor, heads: int = 3) -> list[Tensor]:
    return [logits for part in (pair.student, pair.teacher) for logits in part.eval().probabilities(x)[:heads]]


def test_adding_a_set_leaves_the_old_heads_answers_as_they_were(method: Ark, images: list[str], trained: Path):
    new = SetPart("d", "binary", ("w",), images[:4], np.array([[0], [1], [1], [0]], np.float32))
    file = open_weights(trained)
    grown = Ark(SMALL, [new, *method.sets[:1]], start=file)
    assert [head["name"] for head in grown.heads] == ["a", "b", "c", "d"]
    assert (grown.head_of(0), grown.head_of(1)) == (3, 0)
    before, after = method.network(), grown.network()
    method.begin(before, file, False)
    told = grown.begin(after, file, False)
    assert "new: omni_heads.3.weight, omni_heads.3.bias" in told
    x = torch.randn(2, 3, 112, 112)
    for old, now in zip(answers(before, x), answers(after, x), strict=True):
        assert torch.equal(old, now)
    assert torch.equal(after.student.omni_heads[3].weight, after.teacher.omni_heads[3].weight)


def test_a_set_that_the_weights_know_otherwise_is_refused(images: list[str], trained: Path):
    other = SetPart("b", "multi-class", ("p", "r", "q"), images[:3], np.eye(3, dtype=np.float32))
    with refused("head-of-other-classes", names="set 'b', multi-class: p, r, q"):
        Ark(SMALL, [other], start=open_weights(trained))


def test_a_backbone_of_another_size_is_refused_by_name(sets: list[SetPart], trained: Path):
    method = Ark(dataclasses.replace(SMALL, backbone="swin_tiny_224"), sets)
    with refused("weights-of-another-network", names="[64, 3, 4, 4]"), torch.device("cpu"):
        method.begin(method.network(), open_weights(trained), False)


def test_a_plain_swin_starts_both_backbones_and_leaves_projector_and_heads_new(method: Ark, tmp_path: Path):
    donor = method.network().student
    plain = {name: t for name, t in donor.state_dict().items() if not name.startswith(("omni_heads", "projector"))}
    torch.save(plain, tmp_path / "swin.pth")
    pair = method.network()
    told = method.begin(pair, open_weights(tmp_path / "swin.pth"), False)
    assert told.startswith(f"{len(plain)} tensors come from swin.pth; new: projector.weight")
    for part in (pair.student, pair.teacher):
        assert all(torch.equal(tensor, part.state_dict()[name]) for name, tensor in plain.items())


@torch.inference_mode()
def test_a_file_of_timms_own_class_gives_its_features(method: Ark, tmp_path: Path):
    """As ImageNet weights of a Swin are published; no such weights are here, so that names and arithmetic are all that is tested."""
    torch.manual_seed(7)
    swin = SwinTransformer(112, 4, embed_dim=64, depths=(2, 2, 2), num_heads=(2, 4, 8), num_classes=10).eval()
    torch.save(swin.state_dict(), tmp_path / "swin.pth")
    pair = method.network().eval()
    assert "new: projector.weight" in method.begin(pair, open_weights(tmp_path / "swin.pth"), False)
    images = torch.randn(2, 3, 112, 112)
    features = swin.forward_features(images).flatten(1, 2).mean(dim=1)
    assert torch.equal(pair.student.features(images), features) and torch.equal(pair.teacher.features(images), features)


def test_two_sets_of_one_name_are_refused(sets: list[SetPart]):
    with refused("head-repeated", names="two sets named 'a'"):
        Ark(SMALL, [sets[0], sets[0]])


# Unreadable images


def test_unreadable_images_are_told_once_and_too_many_stop_the_training(images: list[str]):
    part = SetPart("a", "binary", ("x",), images * 4, np.zeros((32, 1), np.float32))
    method = Ark(dataclasses.replace(SMALL, unreadable_share=0.1), [part])
    batch = collate([{**method.dataset([part], 0)[n]} for n in range(2)])

    def skip(*numbers: int):
        batch["skipped"] = torch.tensor([[*numbers, -1], [-1] * (len(numbers) + 1)])
        method.views(batch, seeds.generator(0, "views"))
        return method.monitors()

    first = skip(4)
    assert [warning.code for warning in first] == ["unreadable-image"] and images[4] in first[0].message
    assert "1 of 32" in first[0].message and skip(4) == [] and len(skip(5, 6)) == 2
    with refused("images-unreadable", names=["set a: 4 of 32 images", "0.1"]):
        skip(7)
