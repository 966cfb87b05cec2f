"""Metrics against MONAI, and what must hold for any image."""

from __future__ import annotations

import pytest
import torch
from monai.metrics.regression import PSNRMetric, compute_ssim_and_cs

from medssl.evaluation.metrics import image_metrics as metrics


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(shape, generator=generator)
    return (reference + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1), reference


@pytest.mark.parametrize("shape", [(3, 1, 20, 24, 16), (2, 1, 40, 33), (2, 2, 16, 16, 16)])
def test_ssim_agrees_with_monai(shape):
    image, reference = pair(*shape)
    sides = len(shape) - 2
    full, _ = compute_ssim_and_cs(image, reference, sides, kernel_size=[11] * sides, kernel_sigma=[1.5] * sides)
    expected = full.flatten(1).mean(1).tolist()
    assert metrics.ssim(image, reference).tolist() == pytest.approx(expected, abs=1e-4)


def test_psnr_agrees_with_monai():
    image, reference = pair(3, 1, 20, 24, 16)
    expected = PSNRMetric(max_val=1.0)(image, reference).flatten().tolist()
    assert metrics.psnr(image, reference).tolist() == pytest.approx(expected, rel=1e-5)


def test_slabs_do_not_change_ssim(monkeypatch):
    image, reference = pair(1, 1, 20, 20, 40)
    whole = metrics.ssim(image, reference)
    monkeypatch.setattr(metrics, "SLAB", 20 * 20 * 3)
    assert torch.allclose(metrics.ssim(image, reference), whole, atol=1e-6)


def test_equal_images_have_the_best_values_and_worse_ones_worse():
    image, reference = pair(1, 1, 16, 16, 8)
    best, worse, worst = (metrics.image_metrics(i, reference)[0] for i in (reference, image, 1 - reference))
    assert best == pytest.approx({"mse": 0.0, "psnr": 120.0, "ssim": 1.0})
    assert best["psnr"] > worse["psnr"] > worst["psnr"]
    assert best["ssim"] > worse["ssim"] > worst["ssim"]
    assert best["mse"] < worse["mse"] < worst["mse"]


def test_sides_shorter_than_the_window():
    image, reference = pair(1, 1, 16, 16, 5)
    assert 0 < metrics.ssim(image, reference).item() < 1
