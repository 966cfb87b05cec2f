"""Rescaled convolutions: the same answers, norms as new."""

from __future__ import annotations

import pytest
import torch

from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.rescaling import convolution_norms, rescale


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("training", [True, False])
def test_answers_stay_and_norms_are_those_of_a_new_network(fidelity: str, training: bool):
    torch.manual_seed(0)
    fresh = convolution_norms(UNetSegmenter(4, classes=3, fidelity=fidelity))
    grown = UNetSegmenter(4, classes=3, fidelity=fidelity).train()
    with torch.no_grad():
        for parameter in grown.parameters():
            if parameter.ndim == 5:
                parameter.mul_(3.0)
    x = torch.rand(2, 1, 16, 16, 16)
    grown(x)  # running statistics of its own
    grown.train(training)
    before = grown(x)
    rescale(grown, fresh)
    assert torch.allclose(grown(x), before, atol=1e-3 * float(before.abs().max()))
    assert convolution_norms(grown) == pytest.approx(fresh, rel=1e-5) and len(fresh) == 14
