"""Downstream tasks. One line registers a task: its config class and its implementation, as import strings."""

TASKS = {
    "segmentation": ("medssl.tasks.segmentation.config:SegmentationConfig", "medssl.tasks.segmentation.task:segmentation"),
    "classification": (
        "medssl.tasks.classification.config:ClassificationConfig", "medssl.tasks.classification.task:classification",
    ),
    "probing": ("medssl.tasks.probing.config:ProbingConfig", "medssl.tasks.probing.task:probing"),
}  # fmt: skip
