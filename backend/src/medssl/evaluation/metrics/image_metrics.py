"""How alike two images are: MSE, PSNR and SSIM of intensities in 0…1, for 2D and 3D batches of any size."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LARGEST_PSNR = 120.0  # dB; two equal images would have an infinite one, which JSON cannot say
WINDOW, SIGMA = 11, 1.5  # voxels
C1, C2 = 0.01**2, 0.03**2
SLAB = 2**23  # voxels compared at a time: bounds memory for whole scans


def mse(image: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of each sample: (N, C, *spatial) twice to (N,)."""
    return torch.stack([functional.mse_loss(a, b) for a, b in zip(image, reference)])


def psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a peak of 1, at most 120: (N, C, *spatial) twice to (N,)."""
    return -10 * torch.log10(mse(image, reference).clamp(min=10 ** (-LARGEST_PSNR / 10)))


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al., IEEE Transactions on Image Processing 13, 2004): (N, C, *spatial) to (N,).

    Gaussian windows of 11 voxels (fewer along shorter sides), sigma 1.5, wherever a whole window fits, as in Wang's paper
    and MONAI; torchmetrics also counts windows that it continues beyond the border by reflection. Separable, and slab by
    slab along the last axis: the libraries' dense 3D kernel would take minutes and gigabytes for a CT.
    """
    sides = [min(WINDOW, (side - 1) // 2 * 2 + 1) for side in image.shape[2:]]
    depth = image.shape[-1] - sides[-1] + 1  # windows along the last axis
    step = max(SLAB // max(math.prod(image.shape[1:-1]), 1), 1)
    sums = torch.zeros(len(image), dtype=torch.float64, device=image.device)
    for n in range(len(image)):
        for first in range(0, depth, step):
            slab = slice(first, min(first + step, depth) + sides[-1] - 1)
            sums[n] += _ssim_map(image[n, ..., slab], reference[n, ..., slab], sides).sum(dtype=torch.float64)
    windows = math.prod(side - size + 1 for side, size in zip(image.shape[2:], sides))
    return (sums / (windows * image.shape[1])).float()


def image_metrics(image: Tensor, reference: Tensor) -> list[dict[str, float]]:
    """mse, psnr (dB) and ssim of each sample of (N, C, *spatial), as plain numbers."""
    columns = {"mse": mse(image, reference), "psnr": psnr(image, reference), "ssim": ssim(image, reference)}
    return [{name: float(values[n]) for name, values in columns.items()} for n in range(len(image))]


def _ssim_map(x: Tensor, y: Tensor, sides: list[int]) -> Tensor:
    """(C, *spatial) twice to the similarity at every whole window."""
    mean_x, mean_y = _blur(x, sides), _blur(y, sides)
    variance_x = _blur(x * x, sides) - mean_x**2
    variance_y = _blur(y * y, sides) - mean_y**2
    covariance = _blur(x * y, sides) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return alike / ((mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2))


def _blur(x: Tensor, sides: list[int]) -> Tensor:
    """Gaussian means of (C, *spatial) along each axis, where the whole window fits."""
    for axis, side in enumerate(sides, start=1):
        place = torch.arange(side, device=x.device, dtype=x.dtype) - side // 2
        weights = torch.exp(-(place**2) / (2 * SIGMA**2))
        length = x.shape[axis] - side + 1
        taps = [(x.narrow(axis, n, length), weight) for n, weight in enumerate((weights / weights.sum()).tolist())]
        x = taps[0][0] * taps[0][1]
        for shifted, weight in taps[1:]:
            x.add_(shifted, alpha=weight)
    return x
