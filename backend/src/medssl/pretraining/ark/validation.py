"""Validation of an Ark: how well each head answers on whole images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from medssl.core.errors import CatalogError, VolumeError
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.spec.set_parts import SetPart
from medssl.networks.ark import ArkEncoder, activated
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.ark.loss import prediction_loss

PARTS = (("teacher", ""), ("student", "student_"))  # which network, and what its values begin with
READERS = 4  # threads that decode images


class ValidatedArk(Protocol):
    """What validation asks of the method."""

    config: ArkConfig
    heads: list[dict[str, Any]]
    prepared: PreparedImages

    def head_of(self, set_number: int) -> int:
        """The number of a set's head in the network."""

    def uses_cross_entropy(self, number: int) -> bool:
        """Whether a head is one of several classes."""

    def seen(self, squares: Sequence[np.ndarray]) -> Tensor:
        """Kept images (K, K) uint8 whole (N, 1, S, S) in 0…1, as the network takes them."""

    def standardise(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as student and teacher take them."""

    def kept_features(self, part: SetPart, numbers: Sequence[int]) -> tuple[Tensor, list[int]] | None:
        """Features (M, D) of whole images of a frozen backbone, and which numbers have them; None where nothing is kept."""

    def unreadable_validation(self, number: int, images: Sequence[int], part: SetPart) -> None:
        """Count unreadable validation images of set `number`."""


@torch.no_grad()
def validate(method: ValidatedArk, network: nn.Module, sets: Sequence[SetPart], seed: int) -> dict[str, float]:
    """Loss and mean AUC of every set: `loss_<set>`, `auc_<set>` of the teacher, `student_...` of the student.

    At most `training.validation_samples` images of a set are seen, the same every time. `validation_loss`, which chooses the
    weights, is the mean of the sets' losses of the teacher: the one that is used afterwards; `student_validation_loss`, which the
    released learning rate follows, is the student's. A set whose labels do not vary
    there has no AUC, one whose labels are all unknown there counts for nothing.

    Raises:
        CatalogError: a set has too many unreadable images, or no label is known in any.
    """
    values: dict[str, float] = {}
    counted: dict[str, list[float]] = {begin: [] for _, begin in PARTS}
    for number, part in enumerate(sets):
        answers, targets = _answers(method, network, number, part, seed)
        if not targets.isfinite().any():
            continue
        for name, begin in PARTS:
            head = method.head_of(number)
            loss = prediction_loss(answers[name], targets, method.uses_cross_entropy(head))
            values[f"{begin}loss_{part.name}"] = float(loss)
            auc = mean_auc(targets.numpy(), activated(answers[name], method.heads[head]).numpy())
            if auc is not None:
                values[f"{begin}auc_{part.name}"] = auc
        for _, begin in PARTS:
            counted[begin].append(values[f"{begin}loss_{part.name}"])
    if not counted[""]:
        raise CatalogError("validation images of all sets", "have no known label", "Raise training.validation_samples")
    means = {f"{begin}validation_loss": sum(losses) / len(losses) for begin, losses in counted.items()}
    return {**means, **values}


def mean_auc(targets: np.ndarray, scores: np.ndarray) -> float | None:
    """The mean over the classes (N, C) that have both answers among their known targets; None where none has."""
    found = []
    for wanted, given in zip(targets.T, scores.T):
        known = np.isfinite(wanted)
        if len(np.unique(wanted[known])) == 2:
            found.append(roc_auc_score(wanted[known], given[known]))
    return float(np.mean(found)) if found else None


def _answers(
    method: ValidatedArk, network: nn.Module, number: int, part: SetPart, seed: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Logits (N, C) of student and teacher on some images of a set, and their targets; float32 on the CPU."""
    device, head = next(network.parameters()).device, method.head_of(number)
    count = min(len(part.images), method.config.training.validation_samples)
    chosen = np.sort(np.random.default_rng([seed, number]).permutation(len(part.images))[:count])
    rows: dict[str, list[Tensor]] = {name: [] for name, _ in PARTS}
    kept: list[int] = []
    size = method.config.training.batch_size
    for first in range(0, count, size):
        numbers = chosen[first : first + size].tolist()
        features = method.kept_features(part, numbers)
        images, readable = features or _readable(method, number, part, numbers)
        if features:
            method.unreadable_validation(number, [n for n in numbers if n not in readable], part)
        kept += readable
        if not readable:
            continue
        seen = images.to(device) if features else method.standardise(images.to(device))
        for name, _ in PARTS:
            ark: ArkEncoder = getattr(network, name)
            embedding = ark.projector(seen) if features else ark(seen)
            rows[name].append(ark.omni_heads[head](embedding).float().cpu())
    if not kept:
        raise CatalogError(
            f"set {part.name}: {count} validation images",
            "cannot be read",
            "Check: medssl data check",
            code="images-unreadable",
        )
    return {name: torch.cat(found) for name, found in rows.items()}, torch.from_numpy(part.targets[kept])


def _readable(method: ValidatedArk, number: int, part: SetPart, numbers: list[int]) -> tuple[Tensor, list[int]]:
    """The images (N, 1, S, S) that can be read, and their numbers; the others are counted as those of the training are."""

    def read(image: int) -> np.ndarray | None:
        try:
            return method.prepared.get(part.images[image], part.inverted)
        except VolumeError:
            return None

    with ThreadPoolExecutor(READERS) as readers:
        squares = list(readers.map(read, numbers))
    method.unreadable_validation(number, [n for n, square in zip(numbers, squares) if square is None], part)
    kept = [n for n, square in zip(numbers, squares) if square is not None]
    return method.seen([square for square in squares if square is not None]), kept
