"""Downstream tasks. One line registers a task: its config class and its implementation, as import strings."""

TASKS = {
    "segmentation": ("medssl.tasks.segmentation_config:SegmentationConfig", "medssl.tasks.segmentation:segmentation"),
    "classification": (
        "medssl.tasks.classification_config:ClassificationConfig", "medssl.tasks.classification:classification",
    ),
    "probing": ("medssl.tasks.probing_config:ProbingConfig", "medssl.tasks.probing:probing"),
}  # fmt: skip
