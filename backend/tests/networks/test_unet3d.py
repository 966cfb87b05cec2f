from __future__ import annotations

import itertools
import math

import pytest
import torch
from closed_form import assert_close_to, fill, make, make_input, read_reference
from torch.nn import functional

from medssl.networks.unet3d import UNet3D


def test_names_and_shapes_are_those_of_the_official_files():
    reference = read_reference("genesis.json")
    with torch.device("meta"):
        network = UNet3D()
    assert {name: list(t.shape) for name, t in network.state_dict().items()} == reference["state_dict"]
    assert sum(p.numel() for p in network.parameters()) == 19_073_665


def tap_by_tap(conv, x, weight, bias):
    """A convolution as one matrix product per tap: in double precision PyTorch's own takes minutes."""
    if len(x) > 1:
        return torch.cat([tap_by_tap(conv, one, weight, bias) for one in x.split(1)])
    shape = x.shape[2:]
    padded = functional.pad(x, [p for side in reversed(conv.padding) for p in (side, side)])
    total = bias[:, None].expand(-1, math.prod(shape)).clone()
    for start in itertools.product(*map(range, conv.kernel_size)):
        part = padded[(0, slice(None), *(slice(s, s + n) for s, n in zip(start, shape)))]
        total.addmm_(weight[(slice(None), slice(None), *start)], part.reshape(len(part), -1))
    return total.view(1, -1, *shape)


def test_outputs_reproduce_the_reference(monkeypatch):
    monkeypatch.setattr(torch.nn.Conv3d, "_conv_forward", tap_by_tap)
    recorded = read_reference("genesis.json")["a"]
    network = (
        make(lambda: UNet3D(fidelity="released"), recorded["phase"]).eval().double()
    )  # rounding differs by processor
    with torch.inference_mode():
        outputs = network.outputs(make_input(recorded["input"], recorded["freq"]).double())
    assert_close_to(outputs["output"], recorded["output"])
    assert_close_to(outputs["bottleneck"], recorded["bottleneck"])


def test_released_depends_on_the_batch_and_paper_does_not():
    x = torch.rand(2, 1, 16, 16, 8, generator=torch.Generator().manual_seed(1))
    paper = fill(UNet3D(4), 0.0).eval()
    released = fill(UNet3D(4, fidelity="released"), 0.0).eval()
    assert torch.allclose(paper(x)[:1], paper(x[:1]), atol=1e-6)
    assert not torch.allclose(released(x)[:1], released(x[:1]), atol=1e-4)


def test_every_parameter_gets_a_gradient():
    network = UNet3D(4)
    network(torch.rand(1, 1, 16, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("width", [4, 8])
def test_arguments_are_read_off_the_shapes(width: int):
    shapes = {name: tuple(t.shape) for name, t in UNet3D(width).state_dict().items()}
    assert UNet3D.arguments_of(shapes) == {"base_width": width, "inputs": 1, "outputs": 1}
