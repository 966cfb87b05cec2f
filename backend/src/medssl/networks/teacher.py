"""A student and its teacher, the exponential moving average of the student."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


class StudentTeacher(nn.Module):
    """Two copies of one network: gradients reach the `student` only, the `teacher` follows by `update`.

    The teacher is always in evaluation mode. A trained pair's tensors are named `student.…` and `teacher.…`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.student = network
        self.teacher = deepcopy(network).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> StudentTeacher:
        """Training mode of the student alone."""
        super().train(mode)
        self.teacher.eval()
        return self

    @torch.no_grad()
    def update(self, momentum: float) -> None:
        """teacher ← momentum · teacher + (1 − momentum) · student; buffers are copied."""
        mine, its = _tensors(self.teacher.parameters()), _tensors(self.student.parameters())
        torch._foreach_lerp_(mine, its, 1.0 - momentum)  # one kernel launch for hundreds of small tensors
        mine, its = _tensors(self.teacher.buffers()), _tensors(self.student.buffers())
        if mine:
            torch._foreach_copy_(mine, its)


def _tensors(tensors) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]
