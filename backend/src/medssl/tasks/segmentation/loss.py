"""What a segmentation minimises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monai.losses import DiceCELoss, DiceLoss, GeneralizedDiceFocalLoss
from torch import Tensor, nn
from torch.nn import functional

from medssl.core.protocol import VERSION
from medssl.tasks.earlier import BATCHED

LOSSES: dict[str, Callable[..., nn.Module]] = {
    "dice": DiceLoss, "dice-ce": DiceCELoss, "dice-focal": GeneralizedDiceFocalLoss,
}  # fmt: skip


def make_loss(name: str, version: int = VERSION) -> nn.Module:
    """A loss of (logits (N, classes, *spatial), class numbers (N, 1, *spatial)).

    Its Dice leaves the background out, which is nearly everything and would hide what is missed, and is that of the batch as a
    whole: a crop without a class says nothing of it. (Jobs of earlier versions go on with what they began with.)
    """
    if version < BATCHED:
        return LOSSES[name](softmax=True, to_onehot_y=True)
    return LOSSES[name](softmax=True, to_onehot_y=True, include_background=False, batch=True)


def loss_of(loss: nn.Module, answers: Tensor | Sequence[Tensor], masks: Tensor) -> Tensor:
    """The loss of logits; of those of several resolutions, each half as large counts half as much.

    Args:
        loss: of `make_loss`.
        answers: logits (N, classes, *spatial), or several, of full resolution first (deep supervision: Lee et al., AISTATS
            2015, with the weights of Isensee et al., Nature Methods 18, 2021).
        masks: class numbers (N, 1, *spatial).
    """
    levels = [answers] if isinstance(answers, Tensor) else list(answers)
    weights = [0.5**level for level in range(len(levels))]
    total = sum(weight * loss(logits.float(), _seen(masks, logits).long()) for weight, logits in zip(weights, levels))
    return total / sum(weights)  # type: ignore[return-value]


def _seen(masks: Tensor, logits: Tensor) -> Tensor:
    """Class numbers at the resolution of logits: those of the nearest voxels."""
    if masks.shape[2:] == logits.shape[2:]:
        return masks
    return functional.interpolate(masks.float(), size=logits.shape[2:], mode="nearest-exact")
