"""Can an ensemble be trained as it is specified? Asked before a job is made, without torch."""

from __future__ import annotations

from medssl.core.capabilities import SEGMENT
from medssl.core.errors import ConfigError
from medssl.core.protocol import JobSpec
from medssl.tasks import TASKS
from medssl.tasks.check import check_finetune

FEWEST, USUAL = 2, 5


def check_ensemble(spec: JobSpec) -> JobSpec:
    """The specification with every setting of its task.

    Raises:
        ConfigError: too few folds, a task whose networks are not averaged, several devices; else as `check_finetune`.
    """
    known = [name for name, entry in TASKS.items() if entry.answers == SEGMENT]
    if spec.method not in known:
        raise ConfigError(
            f"task {spec.method!r}", "has no ensembles: its networks are not averaged",
            f"Use {', '.join(known)}, or train the folds one by one with fold", code="ensemble-of-task",
        )  # fmt: skip
    if spec.data.folds < FEWEST:
        raise ConfigError(
            f"folds = {spec.data.folds}", f"are too few for an ensemble, which needs {FEWEST} or more networks",
            f"{USUAL} is usual", code="too-few-networks",
        )  # fmt: skip
    if spec.data.fold:
        raise ConfigError(
            f"fold = {spec.data.fold}", "chooses one fold, and an ensemble trains all of them",
            "Leave it out, or train that fold alone without an ensemble", code="fold-of-ensemble",
        )  # fmt: skip
    spec = check_finetune(spec)
    training = spec.config["training"]
    if training["devices"] * training["nodes"] > 1:
        raise ConfigError(
            f"training on {training['devices']} devices of {training['nodes']} nodes",
            "cannot be part of an ensemble: its folds are trained one after another on one device",
            "Set training.devices and training.nodes to 1", code="several-devices",
        )  # fmt: skip
    return spec
