"""Refusals of models that cannot do what they are asked for."""

from __future__ import annotations

from medssl.core.capabilities import CLASSES, EMBED, EXPLAIN, HEADS, PATCHES, RESTORE, SEGMENT, VOXELS
from medssl.core.errors import WeightsError
from medssl.core.plan import Plan
from medssl.core.registry import config_class
from medssl.core.schema import title_of
from medssl.networks import NETWORKS, capabilities_of
from medssl.pretraining import METHODS

RULES = {
    RESTORE: "does not restore volumes",
    PATCHES: "has no patch embeddings",
    VOXELS: "does not describe the places of a volume",
    EMBED: "gives no embedding of an image",
    HEADS: "has no heads by name",
    CLASSES: "does not predict classes",
    SEGMENT: "does not segment",
    EXPLAIN: "gives no saliency map",
}
FINE_TUNED = {  # models that no pretraining method makes, as a remedy names them
    CLASSES: "a model fine-tuned for classification, or a probe",
    SEGMENT: "a model fine-tuned for segmentation",
    EXPLAIN: "a fine-tuned classifier of radiographs",
}


def can(plan: Plan, capability: str) -> bool:
    """Whether the model of a plan can be asked for this."""
    return capability in capabilities_of(plan)


def require(plan: Plan, capability: str) -> None:
    """Go on with models that can be asked for this.

    Raises:
        WeightsError: the model of this plan cannot.
    """
    if not can(plan, capability):
        raise refusal(plan, capability)


def refusal(plan: Plan, capability: str) -> WeightsError:
    """The error that names the model, what it lacks, and which models have it."""
    what = f"task {plan.task['name']!r}" if plan.task else f"method {plan.method!r}"
    pretrained = [name for name in METHODS if name in NETWORKS and capability in NETWORKS[name].can]
    kinds = [f"a {title_of(config_class(METHODS, name))} model" for name in pretrained]
    fine_tuned = [FINE_TUNED[capability]] if capability in FINE_TUNED else []
    return WeightsError(
        f"model of {what}", RULES[capability], f"Choose {' or '.join([*kinds, *fine_tuned])}", code="model-unsuitable"
    )
