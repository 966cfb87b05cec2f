"""Optimisers, and the learning rate as a function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from medssl.training.training_config import TrainingConfig


def make_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW or SGD; biases and norm scales (1-D parameters) are not decayed."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def learning_rate(config: TrainingConfig, step: int, halvings: int = 0) -> float:
    """The rate of optimiser step `step` (from 0); `halvings` counts the plateaus seen so far."""
    peak = config.learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "step":
        return peak * 0.5 ** (step // config.decay_every)
    if config.schedule == "plateau":
        return peak * 0.5**halvings
    if config.schedule == "cosine":
        share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return peak * 0.5 * (1.0 + math.cos(math.pi * share))
    return peak
