"""Settings of probing. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.schema import setting
from medssl.tasks.classification.config import KINDS, UNCERTAIN
from medssl.tasks.transfer_config import SelectionConfig


@dataclass(frozen=True)
class ProbingConfig:
    """Probing: how much do the embeddings of a model, as they are, tell about findings? Linear probe and nearest neighbours."""

    labels: str = setting("", "Columns of the catalogue, as in classification")
    kind: str = setting("auto", "What the labels are; auto: as the columns show", choices=KINDS, advanced=True)
    uncertain: str = setting("ignore", "What -1 stands for", choices=UNCERTAIN, advanced=True)
    probe: str = setting(
        "linear", "linear: logistic regression; knn: the nearest neighbours vote", choices=("linear", "knn")
    )
    features: str = setting(
        "auto", "Of an Ark: its projector's numbers or its encoder's mean token; auto: the projector's where there is one",
        choices=("auto", "projector", "encoder"), advanced=True,
    )  # fmt: skip
    neighbours: int = setting(
        0,
        "How many neighbours vote; 0: as many as do best on validation",
        minimum=0,
        maximum=10_000,
        advanced=True,
        zero="as many as do best",
    )
    regularisation: float = setting(
        0.0, "Strength of the linear probe's L2 penalty; 0: the one that does best on validation", minimum=0.0, maximum=1e9,
        advanced=True,
    )  # fmt: skip
    threshold: str = setting(
        "youden", "How thresholds are chosen on validation", choices=("youden", "f1", "specificity"), advanced=True
    )
    specificity: float = setting(
        0.9, "Specificity at which sensitivity is reported", minimum=0.01, maximum=0.999, advanced=True
    )
    groups: str = setting(
        "", 'Attributes whose groups the evaluation tells apart, such as "sex; view; age:40,60"', advanced=True
    )
    select: SelectionConfig = setting(SelectionConfig(), "Part of the training patients")
    seed: int = setting(0, "Seed of split and probe", minimum=0, maximum=2**31 - 1)

    ONLY_WHILE: ClassVar[dict[str, str]] = {"neighbours": "probe=knn", "regularisation": "probe=linear"}
    PRESETS: ClassVar[dict[str, dict]] = {"default": {}, "laptop": {}}
