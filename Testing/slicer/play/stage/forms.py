"""Ticks and generated forms, filled in as a user does."""

from __future__ import annotations

from typing import Any

import qt

TINY = {  # settings of a training that takes seconds on a processor
    "training.steps": 6, "training.batch_size": 2, "training.warmup_steps": 1, "training.validate_every": 3,
    "training.validation_samples": 2, "training.workers": 0, "training.checkpoint_every": 3,
}  # fmt: skip


def tick(selector, nodes) -> None:
    """Tick these nodes of a qMRMLCheckableNodeComboBox and no others."""
    wanted = {node.GetID() for node in nodes}
    for node in selector.checkedNodes():
        if node.GetID() not in wanted:
            selector.setCheckState(node, qt.Qt.Unchecked)
    for node in nodes:
        selector.setCheckState(node, qt.Qt.Checked)


def fill(form, values: dict[str, Any]) -> None:
    """Enter settings into a generated form; those that it does not have are left out."""
    for dotted, value in values.items():
        *groups, name = dotted.split(".")
        part = form
        for group in groups:
            part = part.fields.get(group) if part is not None else None
        if part is not None and name in part.fields:
            part.fields[name].setValues(value)
