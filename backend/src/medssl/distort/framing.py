"""Views of whole radiographs as classifiers are trained with: crop, shift, zoom, turn; brightness, contrast, gamma."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from medssl.distort.params import Params

RATIO = (3 / 4, 4 / 3)  # of a crop's sides
BRIGHTNESS, CONTRAST, GAMMA = 0.2, 0.2, (0.8, 1.25)
PLAIN, LINEAR, CURVED = range(3)  # what happens to intensities


@dataclass(frozen=True)
class FramingParams(Params):
    """`affine` (N, 2, 3): from places of the view to places of the image, both -1…1; `kind` (N,) int64: PLAIN, LINEAR or
    CURVED; `brightness`, `contrast`, `gamma` (N,)."""

    affine: Tensor
    kind: Tensor
    brightness: Tensor
    contrast: Tensor
    gamma: Tensor


@dataclass(frozen=True)
class Framing:
    """Random resized crop, shift, zoom and turn in one resampling; then one of brightness-contrast and gamma, or neither.

    Args:
        side: pixels of a view.
        smallest: share of the image's area that a crop has at least.
        shift: of its sides, to either side.
        zoom: share by which a crop grows or shrinks.
        degrees: largest turn.
        intensity: probability of a change of intensities.
        moving: probability of shift, zoom and turn, all three together.
    """

    side: int
    smallest: float = 0.5
    shift: float = 0.0625
    zoom: float = 0.1
    degrees: float = 10.0
    intensity: float = 0.3
    moving: float = 1.0

    def draw(self, batch: Tensor, generator: torch.Generator) -> FramingParams:
        """Draw for `batch` (N, C, rows, columns); only its length and device are read."""
        count, device = len(batch), batch.device

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand((count, *shape), generator=generator, device=device)

        area, ratio = uniform(self.smallest, 1.0), uniform(math.log(RATIO[0]), math.log(RATIO[1])).exp()
        sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1).clamp(max=1.0)  # width, height
        middle, shift = (1.0 - sides) * uniform(-1.0, 1.0, 2), 2 * uniform(-self.shift, self.shift, 2)
        zoom, turn = uniform(1.0 - self.zoom, 1.0 + self.zoom, 1), uniform(-self.degrees, self.degrees) * math.pi / 180
        if self.moving < 1.0:
            moved = (torch.rand(count, generator=generator, device=device) < self.moving).float()
            shift, zoom, turn = shift * moved[:, None], 1 + (zoom - 1) * moved[:, None], turn * moved
        middle, sides = middle + shift, sides * zoom
        cosine, sine = turn.cos(), turn.sin()
        rotation = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], dim=1)  # (N, 2, 2)
        affine = torch.cat([rotation * sides[:, None, :], middle[:, :, None]], dim=2)
        changed = torch.rand(count, generator=generator, device=device) < self.intensity
        kind = torch.where(changed, 1 + torch.randint(2, (count,), generator=generator, device=device), PLAIN)
        return FramingParams(
            affine, kind, uniform(-BRIGHTNESS, BRIGHTNESS), uniform(1 - CONTRAST, 1 + CONTRAST),
            uniform(math.log(GAMMA[0]), math.log(GAMMA[1])).exp(),
        )  # fmt: skip

    def frame(self, batch: Tensor, params: FramingParams) -> Tensor:
        """The views (N, C, side, side) of images (N, C, rows, columns) in 0…1, intensities as they are; mirrored beyond edges."""
        grid = functional.affine_grid(
            params.affine.to(batch.dtype), [len(batch), 1, self.side, self.side], align_corners=False
        )
        return functional.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def tint(self, views: Tensor, params: FramingParams) -> Tensor:
        """Their intensities changed, in 0…1."""
        contrast, brightness, gamma = (
            value[:, None, None, None] for value in (params.contrast, params.brightness, params.gamma)
        )
        mean = views.mean(dim=(1, 2, 3), keepdim=True)
        linear = ((views - mean) * contrast + mean + brightness).clamp(0, 1)
        kind = params.kind[:, None, None, None]
        return torch.where(kind == LINEAR, linear, torch.where(kind == CURVED, views.clamp(0, 1) ** gamma, views))

    @staticmethod
    def names(params: FramingParams) -> list[list[str]]:
        """What happens to each sample, for people."""
        names = {PLAIN: [], LINEAR: ["brightness-contrast"], CURVED: ["gamma"]}
        return [["crop", *names[kind]] for kind in params.kind.tolist()]


def whole(batch: Tensor, side: int) -> Tensor:
    """Whole images (N, C, rows, columns) at side x side."""
    return functional.interpolate(batch, (side, side), mode="bilinear", align_corners=False, antialias=True)
