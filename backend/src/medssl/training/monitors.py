"""Signs that a training has gone wrong, as warnings with advice."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medssl.training.config import TrainingConfig

SMALLEST_VARIANCE_RATIO = 0.01  # of the output's variance to the target's
CONSTANT_LOSS_BAND = 0.02  # the loss equals that of the constant mean within this share
FIRST_VALIDATIONS = 5  # of a long training, in which nothing is said of a collapse
MOST_NON_FINITE = 5  # losses in a row that are NaN or infinite


@dataclass(frozen=True)
class MonitorWarning:
    """One warning: `code` for programs, `message` and `remedy` for people."""

    code: str
    message: str
    remedy: str


def collapse_from(config: TrainingConfig) -> int:
    """The step after which a collapse is looked for: the warm-up, and a tenth of all steps or five validations, whichever is less."""
    return max(config.warmup_steps, min(config.steps // 10, FIRST_VALIDATIONS * config.validate_every))


def collapse(values: dict[str, float]) -> MonitorWarning | None:
    """Has the network, or an embedding that it is trained by, become a constant?

    Args:
        values: a validation's `validation_loss`, `constant_mean_loss`, `output_variance`, `…_variance` of what else must not
            become a constant, and what these could be, `target_variance`: without it the constant mean's loss, which is the
            variance of a target that is restored.
    """
    most = max(values.get("target_variance", values["constant_mean_loss"]), 1e-12)
    watched = {name: value / most for name, value in values.items() if name.endswith("_variance")}
    watched.pop("target_variance", None)
    name, ratio = min(watched.items(), key=lambda one: one[1])
    loss_ratio = values["validation_loss"] / max(values["constant_mean_loss"], 1e-12)
    near = "is close to a constant"
    if ratio >= SMALLEST_VARIANCE_RATIO:  # if anything, the loss says so: it is about the output
        if abs(loss_ratio - 1.0) > CONSTANT_LOSS_BAND:
            return None
        name, ratio = "output_variance", watched["output_variance"]
        near = "is no better than a constant"
    what = name.removesuffix("_variance").replace("_", " ")
    return MonitorWarning(
        "collapse",
        f"the {what} {near}: its variance is {ratio:.3f} of the target's, the loss {loss_ratio:.2f} of the constant mean's",
        "Lower the learning rate (ten times is a good start), lengthen the warm-up, lower the weight of a term that a constant "
        "fulfils, or use the default preset (AdamW)",
    )


def non_finite(value: float, in_a_row: int, what: str = "loss") -> MonitorWarning | None:
    """Is the loss, or the gradient's norm, no longer a number?"""
    if math.isfinite(value):
        return None
    return MonitorWarning(
        "not-a-number",
        f"the {what} is {value} ({in_a_row} in a row); this step is skipped",
        "Lower the learning rate, clip gradients, or train in fp32",
    )


def retried(wrong: MonitorWarning, precision: str, count: int) -> MonitorWarning:
    """A step that failed in bf16 or fp16 was computed again in fp32; `count`: so many so far."""
    what = wrong.message.partition(" (")[0]
    return MonitorWarning(
        "fp32-retry",
        f"{what} in {precision}; the step was computed again in fp32 and taken ({count} so far)",
        "Train in fp32 (training.precision) if this goes on",
    )
