from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from closed_form import assert_close_to, make, make_input, read_reference
from refusals import refused
from small import SIZES, make_images, make_peac
from torch.nn import functional

from medssl.networks.peac import PeacNetwork, PeacPair, permute_cells, standardise
from medssl.networks.standardisation import MEAN, STD
from medssl.networks.teacher import StudentTeacher


def test_names_and_shapes_are_those_of_the_official_files():
    with torch.device("meta"):
        network = PeacNetwork()
    shapes = {name: list(t.shape) for name, t in network.state_dict().items()}
    assert shapes == read_reference("peac.json")["state_dict"]
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 233.8
    assert (network.cell, network.side, network.dimension, network.cells) == (32, 448, 1024, 14)


@pytest.mark.slow
def test_outputs_reproduce_the_reference():
    recorded = read_reference("peac.json")["a"]
    network = make(PeacNetwork, recorded["phase"]).eval()
    with torch.inference_mode():
        outputs = network.outputs(make_input(recorded["input"], recorded["freq"]), torch.arange(196)[None])
    for name, values in outputs.items():
        assert_close_to(values, recorded[name])


@pytest.mark.parametrize(
    ("sizes", "cell", "side"),
    [
        (dict(width=128, patch=4, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)), 32, 448),
        (dict(width=96, patch=4, depths=(2, 2, 6), heads=(3, 6, 12)), 16, 224),
        (dict(width=64, patch=8, depths=(2, 6), heads=(2, 4)), 16, 224),
        (dict(width=32, patch=16, depths=(4,), heads=(2,)), 16, 224),
    ],
)
def test_every_size_has_a_token_per_cell_and_is_read_off_the_shapes(sizes: dict, cell: int, side: int):
    with torch.device("meta"):
        network = PeacNetwork(**sizes, global_hidden=64, local_hidden=48)
        tokens = network.tokens(torch.zeros(1, 3, side, side))
    assert (network.cell, network.side) == (cell, side) and tokens.shape == (1, 196, network.dimension)
    found = PeacNetwork.arguments_of({name: tuple(t.shape) for name, t in network.state_dict().items()})
    assert found == {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in sizes.items()},
        **{"window": 7, "cells": 14, "global_hidden": 64, "local_hidden": 48},
    }


@pytest.mark.parametrize(
    ("sizes", "code", "names"),
    [
        (dict(window=8), "window-does-not-divide", ["window 8", "28 tokens", "stage 1"]),
        (dict(cells=10), "window-does-not-divide", ["window 7", "20 tokens"]),
        (dict(heads=(2, 3)), "heads-do-not-divide", ["3 heads in stage 2", "16 channels"]),
        (dict(heads=(2,)), "stages-unequal", "heads (2,)"),
        (dict(depths=(2, 10**9)), "network-arguments", "1000000000"),
        (dict(depths=(2, 0)), "network-arguments", "depths (2, 0)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict, code: str, names: str | list[str]):
    with refused(code, names):
        make_peac(**sizes)


def test_the_permutation_says_which_cell_of_the_image_each_place_shows():
    images, permutation = make_images(1), torch.stack([torch.randperm(196) for _ in range(2)])
    moved = permute_cells(images, permutation, 4)
    for n, j in ((0, 0), (0, 15), (1, 195)):
        to, of = divmod(j, 14), divmod(int(permutation[n, j]), 14)
        shown = moved[n, :, 4 * to[0] : 4 * to[0] + 4, 4 * to[1] : 4 * to[1] + 4]
        assert torch.equal(shown, images[n, :, 4 * of[0] : 4 * of[0] + 4, 4 * of[1] : 4 * of[1] + 4])
    network = make_peac().eval()
    shuffled, plain = network.outputs(images, permutation), network.outputs(moved)
    assert all(torch.equal(shuffled[name], plain[name]) for name in plain)


def test_each_token_belongs_to_its_cell():
    """A change in one cell changes the token of that cell most."""
    network, images = make_peac().eval(), make_images(2, number=1)
    changed = images.clone()
    changed[:, :, 4 * 3 : 4 * 4, 4 * 10 : 4 * 11] += 1.0  # row 3, column 10
    difference = (network.tokens(changed) - network.tokens(images)).norm(dim=2)[0]
    assert difference.argmax() == 3 * 14 + 10


def test_restoration_puts_channels_and_pixels_in_place():
    network = make_peac()
    weight = network.decoder[0].weight
    torch.nn.init.zeros_(weight)
    with torch.no_grad():
        network.decoder[0].bias.copy_(torch.arange(48.0))  # channel c, row h, column w of a cell: 16 c + 4 h + w
    restored = network.restore(torch.zeros(1, 196, 16))
    assert restored.shape == (1, 3, 56, 56)
    assert restored[0, 2, 4 * 5 + 1, 4 * 7 + 3] == 16 * 2 + 4 * 1 + 3


def test_drop_path_acts_in_training_only():
    network, images = make_peac(drop_path=0.9), make_images(3)
    assert not torch.equal(network.tokens(images), network.tokens(images))
    network.eval()
    assert torch.equal(network.tokens(images), network.tokens(images))


def test_standardised_images_have_three_equal_channels():
    image = torch.tensor([MEAN, MEAN + STD]).reshape(1, 1, 1, 2)
    assert torch.allclose(standardise(image), torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2), atol=1e-6)


def test_the_pair_answers_as_four_separate_forwards_do():
    pair, first, second = PeacPair(make_peac()).eval(), make_images(4), make_images(5)
    with torch.no_grad():  # a teacher that is not the student
        for parameter in pair.teacher.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    answers = pair(first, second)
    for network, global_, local in (
        (pair.student, answers.student_global, answers.student_local),
        (pair.teacher, answers.teacher_global, answers.teacher_local),
    ):
        for crop, images in enumerate((first, second)):
            literal = network.outputs(images)
            torch.testing.assert_close(global_[crop], literal["global"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(local[crop], literal["local"], rtol=1e-4, atol=1e-5)
    literal = pair.student.outputs(first)
    torch.testing.assert_close(answers.order.flatten(0, 1), literal["order"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(answers.restored, literal["restored"], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(answers.student_global, answers.teacher_global, atol=1e-3)


def test_every_parameter_of_the_student_gets_a_gradient_and_none_of_the_teacher():
    pair = PeacPair(make_peac(drop_path=0.0))
    answers = pair(make_images(6), make_images(7))
    torch.stack([answer.square().mean() for answer in answers]).sum().backward()
    assert all(p.grad is not None for p in pair.student.parameters() if p.requires_grad)
    assert [name for name, p in pair.student.named_parameters() if not p.requires_grad] == ["bias"]
    assert all(p.grad is None and not p.requires_grad for p in pair.teacher.parameters())


def test_the_teacher_follows_by_the_law_of_the_moving_average():
    pair = StudentTeacher(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)))
    for step, momentum in enumerate((0.999, 0.9, 0.5, 0.0, 1.0)):
        with torch.no_grad():
            for parameter in pair.student.parameters():
                parameter.normal_(generator=torch.Generator().manual_seed(step))
        pair.student(torch.randn(8, 3))  # moves the buffers
        before, student = deepcopy(pair.teacher.state_dict()), pair.student.state_dict()
        pair.update(momentum)
        for name, after in pair.teacher.state_dict().items():
            parameter = name in dict(pair.teacher.named_parameters())
            wanted = momentum * before[name] + (1 - momentum) * student[name] if parameter else student[name]
            torch.testing.assert_close(after, wanted)


def test_the_teacher_starts_as_a_copy_and_stays_in_evaluation_mode():
    pair = PeacPair(make_peac(drop_path=0.9)).train()
    assert pair.student.training and not any(module.training for module in pair.teacher.modules())
    student, teacher = dict(pair.student.named_parameters()), dict(pair.teacher.named_parameters())
    assert all(torch.equal(student[n], teacher[n]) and student[n] is not teacher[n] for n in student)


def test_the_heads_are_three_layers_with_norms_and_no_last_bias():
    network, tokens = make_peac(), torch.randn(2, 196, 16, generator=torch.Generator().manual_seed(1))
    for head, wide, x in ((network.mlp, 24, tokens.mean(1)), (network.mlp_local, 16, tokens)):
        weights = dict(head.named_parameters())
        literal = x
        for layer in (0, 3):
            literal = functional.linear(literal, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
            literal = functional.layer_norm(literal, (wide,)).relu()  # norms start at 1 and 0
        literal = literal @ weights["6.weight"].T
        torch.testing.assert_close(head(x), literal)
        assert "6.bias" not in weights
    assert network.global_embedding(tokens).shape == (2, SIZES["global_hidden"])
