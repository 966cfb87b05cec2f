"""Downstream tasks. One line registers a task: its config class and its implementation, as import strings."""

from medssl.core.registry import RegistryEntry

TASKS = {
    "segmentation": RegistryEntry(
        "medssl.tasks.segmentation.config:SegmentationConfig", "medssl.tasks.segmentation.task:segmentation"
    ),
    "classification": RegistryEntry(
        "medssl.tasks.classification.config:ClassificationConfig", "medssl.tasks.classification.task:classification"
    ),
    "probing": RegistryEntry("medssl.tasks.probing.config:ProbingConfig", "medssl.tasks.probing.task:probing"),
}
