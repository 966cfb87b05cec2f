"""Downstream tasks. One line registers a task: its config class, its implementation, and what its models answer."""

from medssl.core.capabilities import CLASSES, SEGMENT
from medssl.core.registry import TaskEntry

TASKS = {
    "segmentation": TaskEntry(
        "medssl.tasks.segmentation.config:SegmentationConfig", "medssl.tasks.segmentation.task:segmentation", SEGMENT,
        plan="medssl.tasks.segmentation.plan_preview:preview_plan",
    ),
    "classification": TaskEntry(
        "medssl.tasks.classification.config:ClassificationConfig",
        "medssl.tasks.classification.task:classification",
        CLASSES,
    ),
    "probing": TaskEntry(
        "medssl.tasks.probing.config:ProbingConfig", "medssl.tasks.probing.task:probing", CLASSES,
        kind="probe", needs_model=True,
    ),
}  # fmt: skip


def only_task(kind: str) -> str:
    """The task of a kind of job that has one; "" where there are several or none."""
    names = [name for name, entry in TASKS.items() if entry.kind == kind]
    return names[0] if len(names) == 1 else ""
