"""From a weight file to a fine-tuned network: what is taken, what starts anew, and that it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.errors import WeightsError
from medssl.core.plan import Channel, Plan
from medssl.networks.layers import head_names
from medssl.networks.weights.layouts.official import OFFICIAL
from medssl.networks.weights.layouts.swin import under_swin
from medssl.networks.weights.matching_report import COMPUTED, DERIVED
from medssl.networks.weights.weight_files import WeightFile

SHOWN = 3  # names of a kind that a sentence holds


@dataclass(frozen=True)
class Transfer:
    """What a network took from a weight file; names are the network's, those of `left_out` the file's."""

    source: str  # the file's name
    matched: tuple[str, ...]  # filled from the file
    kept: tuple[str, ...]  # of these, the head's
    new: tuple[str, ...]  # of the head, left at their initialisation
    missing: tuple[str, ...]  # of the backbone, left at their initialisation: only where a partial match was allowed
    reshaped: tuple[str, ...]  # of these two kinds, those that the file has in another shape
    adapted: tuple[str, ...]  # of the matched, those spread over the channels of the input
    shares: tuple[tuple[str, float], ...]  # of these: each channel, and its share of the file's filters
    resampled: tuple[str, ...]  # of the matched, those interpolated from the file's grid of patches
    left_out: tuple[str, ...]  # the file has them, the network does not

    @property
    def complete(self) -> bool:
        """Every tensor of the backbone came from the file."""
        return not self.missing

    def broken(self) -> list[str]:
        """What is missing of the network's parts that came in part only; a part is what its names begin with, as `swinViT`."""
        begun = {_part(name) for name in self.matched}
        return [name for name in self.missing if _part(name) in begun]

    def text(self) -> str:
        """What matched and what is new, in one to three sentences."""
        had = len(self.matched) - len(self.kept)
        count = f"All {had}" if self.complete else f"{had} of {had + len(self.missing)}"
        if not self.new:
            head = "the head too"
        elif self.kept:
            head = f"{len(self.kept)} of the head too; new is {_some(self.new)}"
        else:
            head = f"the head is new ({_some(self.new)})"
        sentences = [f"{count} tensors of the backbone come from {self.source}, {head}."]
        if self.missing:
            sentences.append(f"At their initialisation stay {_some(self.missing)}.")
        if self.adapted:
            over = "evenly over those of this task"
            if len({share for _, share in self.shares}) > 1:
                over = f"over {', '.join(f'{name} ({share:.0%})' for name, share in self.shares)}"
            sentences.append(f"The file's one input channel is spread {over} ({self.adapted[0]}).")
        if self.resampled:
            sentences.append(f"Positions are interpolated from the file's grid of patches ({self.resampled[0]}).")
        return " ".join(sentences)


def transfer(network: Any, file: WeightFile, partial: bool = False) -> Transfer:
    """Fill a downstream network from any weight file.

    Every tensor of the backbone must be in the file; of a layout that holds an encoder only, every tensor of that. The head comes from it too where the file is of a fine-tuned model; its
    last layer only where the classes are the same (by name, where `network.plan` and the file both name them). What is not
    taken keeps its initialisation. The first convolution of a one-channel file is repeated over several input channels, each with
    its share, see `channel_shares`.

    Args:
        network: a `Network` with `stages()` and `encoder()`; on the CPU.
        file: from `open_weights`, which chooses between a student and a teacher.
        partial: accept a file that lacks a part of the backbone.

    Raises:
        WeightsError: a part of the backbone is missing and `partial` is False, or nothing matches.
    """
    wanted = network.state_dict()
    head = head_names(network)
    tensors = backbone_names(file)
    given = {name: tensor for name, tensor in tensors.items() if name in wanted}
    mine = channel_of(network)
    _check_order(mine, file)
    adapted = {n: s for n, tensor in given.items() if (s := _spread(tensor, wanted[n], mine, file.plan)) is not None}
    resampled = {n: moved for n, t in given.items() if (moved := network.resampled(n, t, file.plan)) is not None}
    given |= adapted | resampled
    taken = {n: t for n, t in given.items() if t.shape == wanted[n].shape}
    fresh = head_names(network) if file.holds else _fresh(network, file.plan)
    taken = {name: tensor for name, tensor in taken.items() if name not in fresh}
    rest = [name for name in wanted if name not in taken and not name.endswith(DERIVED)]
    found = Transfer(
        source=file.path.name,
        matched=tuple(name for name in wanted if name in taken),
        kept=tuple(name for name in wanted if name in taken and name in head),
        new=tuple(name for name in rest if name in head),
        missing=tuple(name for name in rest if name not in head),
        reshaped=tuple(name for name in rest if name in given and given[name].shape != wanted[name].shape),
        adapted=tuple(adapted),
        shares=channel_shares(mine, file.plan.modality, max((wanted[n].shape[1] for n in adapted), default=1)),
        resampled=tuple(resampled),
        left_out=(*(name for name in tensors if name not in wanted), *file.left_out),
    )
    _check(found, file, wanted, partial or (file.holds == "encoder" and not found.broken()))
    network.load_state_dict({n: t for n, t in taken.items() if not n.endswith(COMPUTED)}, strict=False)
    return found


def backbone_names(file: WeightFile) -> dict[str, Tensor]:
    """A file's tensors as downstream networks name them: these keep their Swin in `swin_model`."""
    official = OFFICIAL.get(file.plan.method)
    return under_swin(file.tensors) if official and official.bare_swin else file.tensors


def _check(found: Transfer, file: WeightFile, wanted: dict[str, Tensor], partial: bool) -> None:
    if found.matched and (found.complete or partial):
        return
    absent = [name for name in found.missing if name not in found.reshaped]
    other = [name for name in found.missing if name in found.reshaped]
    reasons = [f"{len(absent)} missing ({_some(absent)})"] if absent else []
    if other:
        first = f"{other[0]}: {list(backbone_names(file)[other[0]].shape)} in the file, {list(wanted[other[0]].shape)} wanted"
        reasons.append(f"{len(other)} of another shape ({first})")
    raise WeightsError(
        file.path,
        f"does not hold this network's backbone: {'; '.join(reasons)}",
        f"Take a network of the file's kind and size ({file.plan.method}, {file.plan.network})"
        + (", or say that a partial match will do" if found.matched else ", or another file"),
        code="weights-of-another-network",
    )


def _check_order(mine: Sequence[Channel], file: WeightFile) -> None:
    """Refuse a file that learnt the same channels in another order."""
    names, before = [one.name for one in mine], [one.name for one in file.plan.channels]
    if names != before and sorted(names) == sorted(before):
        raise WeightsError(
            f"{file.path} of the channels {', '.join(before)}", f"has them in another order than this task ({', '.join(names)})",
            "Give the columns image, image_1 ... in the file's order", code="channels-of-another-order",
        )  # fmt: skip


def channel_of(network: Any) -> tuple[Channel, ...]:
    """The channels that a network's plan names; () where it names none."""
    return network.plan.channels if network.plan and network.plan.task.get("channels") else ()


def channel_shares(channels: Sequence[Channel], modality: str, count: int) -> tuple[tuple[str, float], ...]:
    """Each of `count` input channels, and the share of a one-channel file's filters that it begins with; they sum to 1.

    So an image that is shown in all channels gets the answer that the file gave it (mean inflation, Carreira and Zisserman,
    CVPR 2017). Where some channels are of the file's modality these lead: together they count 1, each of the others 1 / count,
    before all are divided by the sum.
    """
    names = [channel.name for channel in channels] or [str(number) for number in range(1, count + 1)]
    alike = [bool(modality) and channel.modality == modality for channel in channels] or [False] * count
    weights = [1 / sum(alike) if same and any(alike) else 1 / count for same in alike]
    total = sum(weights)
    return tuple((name, weight / total) for name, weight in zip(names, weights))


def _spread(tensor: Tensor, wanted: Tensor, channels: Sequence[Channel], source: Plan) -> Tensor | None:
    """A first convolution of one channel for several; None where that is not what the shapes are about."""
    had, want = tuple(tensor.shape), tuple(wanted.shape)
    if len(had) < 4 or len(had) != len(want) or had[1] != 1 or want[1] == 1 or had[0] != want[0] or had[2:] != want[2:]:
        return None
    shares = [share for _, share in channel_shares(channels, source.modality, want[1])]
    if len(set(shares)) == 1:
        return torch.repeat_interleave(tensor, want[1], dim=1) / want[1]
    return torch.cat([tensor * share for share in shares], dim=1)


def _fresh(network: nn.Module, plan: Plan) -> set[str]:
    """Names that a file cannot speak for, whatever their shape."""
    if plan.method in OFFICIAL:
        return head_names(network)  # a pretraining's last layer restores intensities
    mine: Plan | None = network.plan  # type: ignore[assignment]
    names, others = class_names(mine) if mine else [], class_names(plan)
    return head_names(network, last=True) if names and others and names != others else set()


def class_names(plan: Plan) -> list[str]:
    """The classes of a fine-tuned model without background; empty where the plan names none."""
    segments = [segment["name"] for segment in plan.task.get("segments", ())]
    return segments or list(plan.task.get("classes", ()))


def _part(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
