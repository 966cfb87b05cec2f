"""Settings of the training loop, shared by every method and task. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from medssl.core.schema import as_dict, setting


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and on what a network is trained."""

    ONLY_WHILE: ClassVar[dict[str, str]] = {
        "momentum": "optimizer=sgd", "nesterov": "optimizer=sgd", "decay_every": "schedule=step|plateau",
    }  # fmt: skip

    steps: int = setting(20_000, "Optimiser steps in all", minimum=1, maximum=100_000_000)
    batch_size: int = setting(
        8, "Samples in one micro-batch on one device; 0: as many as fit into the memory, 64 at most (16 on a CPU)", minimum=0,
        maximum=4096, zero="as many as fit",
    )  # fmt: skip
    accumulate: int = setting(
        1, "Micro-batches whose gradients are summed before a step", minimum=1, maximum=1024, advanced=True
    )
    optimizer: str = setting("adamw", "Optimiser", choices=("adamw", "sgd"), advanced=True)
    learning_rate: float = setting(1e-3, "Peak learning rate", minimum=1e-9, maximum=100.0)
    weight_decay: float = setting(0.01, "Weight decay", minimum=0.0, maximum=10.0, advanced=True)
    momentum: float = setting(0.9, "Momentum (SGD only)", minimum=0.0, maximum=0.9999, advanced=True)
    nesterov: bool = setting(False, "Nesterov's momentum (SGD only)", advanced=True)
    schedule: str = setting(
        "cosine",
        "Learning-rate schedule; poly: falls with the power 0.9 of what is left, as nnU-Net; validation-loss: peak times the last "
        "validation loss / 20, as Ark's released code",
        choices=("cosine", "poly", "step", "plateau", "constant", "validation-loss"),
        advanced=True,
    )
    warmup_steps: int = setting(
        500, "Steps of linear warm-up", unit="steps", minimum=0, maximum=1_000_000, advanced=True
    )
    rate_every: int = setting(
        1, "Steps for which the learning rate stays the same: those of an epoch, where it changes per epoch", unit="steps",
        minimum=1, maximum=100_000_000, advanced=True,
    )  # fmt: skip
    rate_ahead: int = setting(
        0, "Steps by which the schedule is ahead of the training, as where a release begins it at a later epoch", unit="steps",
        minimum=0, maximum=100_000_000, advanced=True,
    )  # fmt: skip
    decay_every: int = setting(
        5_000,
        "Step schedule: halve the rate every so many steps; plateau: after so many without improvement",
        unit="steps",
        minimum=1,
        maximum=100_000_000,
        advanced=True,
    )
    clip_gradient: float = setting(
        1.0, "Largest gradient norm; 0 switches clipping off", minimum=0.0, maximum=1e6, advanced=True
    )
    ema: float = setting(
        0.0,
        "Decay of an average over the weights of all steps, which is then what is validated and kept; 0: the weights themselves",
        minimum=0.0,
        maximum=0.99999,
        advanced=True,
    )
    patience: int = setting(
        0,
        "Stop after so many validations without improvement; 0 never stops early",
        unit="validations",
        minimum=0,
        maximum=100_000,
        advanced=True,
    )
    validate_every: int = setting(
        500, "Steps between validations", unit="steps", minimum=1, maximum=10_000_000, advanced=True
    )
    validation_samples: int = setting(
        64, "Fixed validation samples, distorted alike every time", minimum=1, maximum=100_000, advanced=True
    )
    checkpoint_every: int = setting(
        500,
        "Steps between checkpoints: what a killed run loses at most",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        advanced=True,
    )
    precision: str = setting(
        "auto",
        "Arithmetic of the forward pass; auto takes bf16 where the device has it",
        choices=("auto", "fp32", "bf16", "fp16"),
        advanced=True,
    )
    memory: float = setting(
        0.0, "Memory that the training may take on its device (on a CPU: its process and its loaders in all), by which the batch "
        "size 0 is chosen; 0: what is free at the start", unit="GB", minimum=0.0, maximum=100_000.0, advanced=True,
        zero="what is free",
    )  # fmt: skip
    channels_last: bool = setting(True, "Channels-last memory layout (faster convolutions)", advanced=True)
    workers: int = setting(0, "Loader processes beside each training process", minimum=0, maximum=128, advanced=True)
    devices: int = setting(1, "Devices on one machine", minimum=1, maximum=64, advanced=True)
    nodes: int = setting(1, "Machines", minimum=1, maximum=1024, advanced=True)
    seed: int = setting(0, "Seed of every random draw", minimum=0, maximum=2**31 - 1)


class WithTraining:
    """What all settings with a `training` share."""

    training: TrainingConfig

    @classmethod
    def under(cls, preset: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """The preset where fewer steps are asked for: as large a share of them warms up, unless that is asked for too.

        A warm-up of more steps than there are would end below the peak of the rate.
        """
        asked, training = values.get("training", {}), preset.get("training", {})
        whole = {**as_dict(cls().training), **training}
        if "steps" not in asked or "warmup_steps" in asked or asked["steps"] >= whole["steps"]:
            return preset
        warmup = round(whole["warmup_steps"] * asked["steps"] / whole["steps"])
        return {**preset, "training": {**training, "warmup_steps": warmup}}
