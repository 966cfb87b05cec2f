"""Optimisers, and the learning rate as a function of the step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from medssl.training.config import TrainingConfig

LOWEST, RELEASED_WARMUP = 1e-6, 20  # of Ark's released schedule: the first rate, epochs of warm-up
POWER = 0.9  # of the schedule "poly" (Isensee et al., Nature Methods 18, 2021)


def make_optimizer(
    network: nn.Module, config: TrainingConfig, groups: list[dict[str, Any]] | None = None
) -> torch.optim.Optimizer:
    """AdamW or SGD over the parameter groups; by default biases and norm scales (1-D parameters) are not decayed.

    A group may say `lr_scale` (share of the learning rate) and `frozen_until` (the step at which it begins to learn).
    """
    if groups is None:
        decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def set_rate(optimizer: Any, rate: float, step: int) -> None:
    """Give every group its share of the rate; none to those still frozen."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0) if step >= group.get("frozen_until", 0) else 0.0


def part_of(config: TrainingConfig, begin: int, end: int) -> TrainingConfig:
    """The settings of a part of a training's steps that has a schedule of its own: its warm-up is as large a share of it."""
    if (begin, end) == (0, config.steps):
        return config
    return replace(config, steps=end - begin, warmup_steps=round(config.warmup_steps * (end - begin) / config.steps))


def learning_rate(config: TrainingConfig, step: int, halvings: int = 0, validation_loss: float = 0.0) -> float:
    """The rate of optimiser step `step` (from 0).

    Args:
        config: peak, schedule and warm-up.
        step: optimiser steps done.
        halvings: plateaus seen so far.
        validation_loss: the last one, 0 before the first. The schedule "validation-loss" is that of Ark's released code: its
            linear warm-up over 20 epochs was given this number as the epoch, so that the rate follows the loss and never
            warms up or decays.
    """
    peak = config.learning_rate
    if config.schedule == "validation-loss":
        return LOWEST + min(validation_loss / RELEASED_WARMUP, 1.0) * (peak - LOWEST)
    step = step // config.rate_every * config.rate_every + config.rate_ahead
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "step":
        return peak * 0.5 ** (step // config.decay_every)
    if config.schedule == "plateau":
        return peak * 0.5**halvings
    share = min(1.0, (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))
    if config.schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * share))
    if config.schedule == "poly":
        return peak * (1.0 - share) ** POWER
    return peak
