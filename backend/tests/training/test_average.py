"""The average over the steps of a training: weights are averaged, places are copied; and files that came of it otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from downstream import make_network
from loop_toys import plain_network, run_toy
from small import SIZES, make_images, make_patch_swin, make_peac
from torch import nn

from medssl.core.plan import Plan
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import load_weights, open_weights, save_weights
from medssl.training.average import Average

PLACES = "relative_position_index"


def stepped(network: nn.Module, decay: float, steps: int = 3) -> Average:
    average = Average(network, decay)
    for _ in range(steps):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1)
        average.update_parameters(network)
    return average


def whole_numbers(network: nn.Module) -> dict[str, torch.Tensor]:
    return {n: t for n, t in network.state_dict().items() if not t.is_floating_point()}


@pytest.mark.parametrize("decay", [0.9, 0.95, 0.9995, 0.9999, 0.99999])
def test_places_are_copied_and_weights_averaged(decay):
    network = make_patch_swin()
    before = {n: t.clone() for n, t in network.named_parameters()}
    average = stepped(network, decay)
    for name, tensor in whole_numbers(network).items():
        assert torch.equal(average.module.state_dict()[name], tensor), name
    moved = 0.1 * (1 - decay) * (1 + (1 + decay))  # the first step is taken whole, two more by their share
    for name, tensor in average.module.named_parameters():
        assert torch.allclose(tensor, before[name] + 0.1 + moved, atol=1e-5), name


def test_counts_of_norms_are_those_of_the_network():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train()
    average = Average(network, 0.9)
    for _ in range(5):
        network(torch.randn(4, 3))
        average.update_parameters(network)
    assert average.module[1].num_batches_tracked == 5
    assert not torch.equal(average.module[1].running_mean, network[1].running_mean)


def test_files_with_spoilt_places_are_read_as_they_were_meant(tmp_path):
    network = make_peac()
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name in tensors:
        if name.endswith(PLACES):
            tensors[name] = (tensors[name] - 1).clamp(min=0)
    save_weights(
        tmp_path / "spoilt.safetensors", tensors, Plan("peac", SIZES, "paper", {"kind": "cxr"}, (56, 56), "CXR")
    )
    read = load_weights(tmp_path / "spoilt.safetensors")
    images = make_images(1)
    with torch.inference_mode():
        assert torch.equal(read.embed(images), network.eval().embed(images))
    network = make_network("swin-classifier")
    transfer(network, open_weights(tmp_path / "spoilt.safetensors"))
    for name, tensor in whole_numbers(make_network("swin-classifier")).items():
        assert torch.equal(network.state_dict()[name], tensor), name


class Noted(nn.Module):
    """Notes the kind of numbers in which it is measured; so do its copies."""

    measured: ClassVar[list[torch.dtype]] = []

    def __init__(self) -> None:
        super().__init__()
        self.inner = plain_network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer = self.inner(x)
        if not self.training:
            self.measured.append(answer.dtype)
        return answer


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_average_is_measured_in_the_precision_of_training(tmp_path: Path, ema: float):
    Noted.measured.clear()
    run_toy(tmp_path, net=Noted(), precision="bf16", ema=ema, steps=2, validate_every=2)
    assert Noted.measured == [torch.bfloat16]
