"""Mean and deviation that images are brought to before a network of radiographs sees them."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN, STD = 0.5056, 0.252  # of chest radiographs in 0…1, as in the PEAC paper
STANDARDS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "cxr": ((MEAN,) * 3, (STD,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # of its training images, as everyone uses them
    "inception": ((0.5,) * 3, (0.5,) * 3),  # -1…1, as TensorFlow's networks had it, whose weights timm took over
}

USUAL = "cxr"  # of downstream networks that begin with nothing
TITLES = {
    "cxr": "PEAC",
    "imagenet": "ImageNet",
    "inception": "TensorFlow's networks of ImageNet",
}  # of what others know these standards from


def standardised(images: Tensor, standard: str) -> Tensor:
    """Three channels (N, 3, S, S) with a standard's mean and deviation, of grey images (N, 1, S, S) in 0…1."""
    mean, deviation = STANDARDS[standard]
    if len({*mean}) == len({*deviation}) == 1:  # no need for three copies
        return ((images - mean[0]) / deviation[0]).expand(-1, 3, -1, -1)
    lows, spans = (torch.tensor(v, dtype=images.dtype, device=images.device)[:, None, None] for v in (mean, deviation))
    return (images - lows) / spans
