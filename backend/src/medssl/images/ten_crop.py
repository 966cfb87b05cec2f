"""Ten views of an image, over which predictions are averaged."""

from __future__ import annotations

import torch


def ten_crops(images: torch.Tensor, side: int) -> torch.Tensor:
    """Centre and corners of (N, C, S', S') images, and the five mirrored left to right: (N, 10, C, side, side)."""
    rows, columns = (images.shape[-2] - side, images.shape[-1] - side)
    places = [(rows // 2, columns // 2), (0, 0), (0, columns), (rows, 0), (rows, columns)]
    crops = torch.stack([images[..., y : y + side, x : x + side] for y, x in places], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1)
