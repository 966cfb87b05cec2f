"""Whether a model may be asked about mirrored images: only one that learnt from mirrored images knows mirrored anatomy.

Another one answers such a copy with noise, which averaging carries into every voxel.
"""

from __future__ import annotations

from medssl.core.errors import ConfigError
from medssl.core.plan import Plan

MIRRORED = "mirrored"  # of `Plan.task`: were training images mirrored? Files of before say nothing

IN_DOUBT = (
    "Mirrored copies were averaged, as asked; the model's file does not say that it was trained with mirrored images: without "
    "such training the answer is better without them"
)


def trained_mirrored(plan: Plan) -> bool | None:
    """Were the model's training images mirrored? None: its file does not say."""
    known = plan.task.get(MIRRORED)
    return None if known is None else bool(known)


def check_mirror(plan: Plan, mirror: bool) -> None:
    """May mirrored copies be averaged, where somebody asks for it?

    Raises:
        ConfigError: of a model that its file says never saw a mirrored image.
    """
    if mirror and trained_mirrored(plan) is False:
        raise ConfigError(
            "mirror = True", "asks about mirrored images, and the model learnt from none: it would answer noise",
            "Leave it off, or train with augmentation=strong (radiographs are never mirrored)", code="trained-without-mirroring",
        )  # fmt: skip


def notes_on_mirroring(plan: Plan, mirror: bool) -> tuple[str, ...]:
    """What whoever asks for mirrored copies should know of a model whose file says nothing of them."""
    return (IN_DOUBT,) if mirror and trained_mirrored(plan) is None else ()


def why_unmirrored(plan: Plan) -> str:
    """What an answer says that was made without mirrored copies."""
    if trained_mirrored(plan) is False:
        return "which was trained without mirrored images and is asked about none"
    return "whose file does not say that it was trained with mirrored images, so that it is asked about none"
