"""Whether a pretraining has learnt anything, in one plain sentence: held against a constant, or against chance."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medssl.core.errors import counted
from medssl.evaluation.verdicts import Verdict

LITTLE = 0.9  # of a constant's loss: above it, a pretraining has learnt little
CHANCE = 0.55  # mean AUC up to which one that learns from labels has learnt little


def of_pretraining(best: float, values: Mapping[str, float]) -> Verdict | None:
    """Has a pretraining learnt anything? None where nothing stands beside its loss.

    Args:
        best: the smallest validation loss, that of the weights that are kept.
        values: of a validation: `constant_mean_loss` and, of a restoration, `distorted_loss`; or `auc_<set>` of each set.
    """
    if aucs := {name.removeprefix("auc_"): auc for name, auc in values.items() if name.startswith("auc_")}:
        mean, worst = sum(aucs.values()) / len(aucs), min(aucs, key=lambda name: aucs[name])
        lowest = f" (lowest: {worst}, {aucs[worst]:.3f})" if len(aucs) > 1 else ""
        facts = (
            f"the AUC on validation images is {mean:.3f}, mean of {counted(len(aucs), 'set')}{lowest}; chance gives 0.5"
        )
        return _learnt(mean > CHANCE, facts, "It tells findings apart" if mean > CHANCE else "It has learnt little")
    constant, distorted = values.get("constant_mean_loss", 0.0), values.get("distorted_loss", math.inf)
    if not constant > 0:
        return None
    beside = f", that of the distorted images {distorted:.4g}" if math.isfinite(distorted) else ""
    facts = f"its loss on validation images is {best:.4g}, that of a constant {constant:.4g}{beside}"
    if best >= distorted:
        return _learnt(False, facts, "It does worse than leaving images distorted")
    if best >= constant * LITTLE:
        return _learnt(
            False,
            facts,
            "It has learnt little, if anything" if best < constant else "It does no better than a constant",
        )
    return _learnt(True, facts, "It does better than a constant")


def _learnt(good: bool, facts: str, said: str) -> Verdict:
    return Verdict(
        f"{said}: {facts}.{'' if good else ' Train it longer or on more images before others begin with it.'}", good
    )
