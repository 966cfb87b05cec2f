"""The settings of the next round: short and gentle, since the model has learnt most already. Standard library only."""

from __future__ import annotations

from typing import Any

BUDGET_S = 35.0  # of training; start, reading and the last measurement make it a minute
FEWEST, MOST = 20, 2000  # steps
UNKNOWN_SHARE = 0.1  # of the steps before, where nobody knows how fast they were
GENTLE = 0.3  # of the first round's learning rate


def continuation(
    config: dict[str, Any], first: dict[str, Any], number: int, steps_per_s: float | None, budget_s: float = BUDGET_S
) -> dict[str, Any]:
    """A task's settings for going on from its own model.

    Network, crop, loss and all the rest stay as they were. The learning rate is a share of the first round's, so that it does
    not fall from round to round; other crops are drawn in every round.

    Args:
        config: of the job that is gone on from.
        first: of the first round's job.
        number: of the next round.
        steps_per_s: of the job that is gone on from, see `jobs.rounds`.
        budget_s: seconds that the steps may take.
    """
    before = config["training"]
    wanted = budget_s * steps_per_s if steps_per_s else UNKNOWN_SHARE * before["steps"]
    steps = int(min(MOST, max(FEWEST, wanted)))
    training = {
        **before,
        "steps": steps,
        "warmup_steps": min(10, steps // 10),
        "learning_rate": GENTLE * first["training"]["learning_rate"],
        "validate_every": -(-steps // 2),
        "checkpoint_every": -(-steps // 2),
        "seed": number,
    }
    return {**config, "training": training}
