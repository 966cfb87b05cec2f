"""Probes as files: a small classifier, and the model on whose embeddings it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medssl.core.errors import WeightsError
from medssl.core.plan import Plan, read_plan
from medssl.inference.image_embedding import FRAMED
from medssl.networks.network import Network
from medssl.networks.weights.weight_files import open_weights

if TYPE_CHECKING:
    from medssl.inference.classification.probe import KNearest, LinearProbe

METHOD = "probe"


@dataclass(frozen=True, eq=False)
class Probe:
    """A probe that can predict.

    Attributes:
        plan: the probe's own.
        net: the model that embeds, with its plan.
        head: turns embeddings (N, D) into probabilities (N, C).
    """

    plan: Plan
    net: Network
    head: LinearProbe | KNearest


def is_probe(path: Path) -> bool:
    """Does a weight file hold a probe? Only its header is read."""
    plan = read_plan(path) if path.suffix == ".safetensors" else None
    return plan is not None and plan.method == METHOD


def open_probe(path: Path, model: Callable[[str], Network]) -> Probe:
    """Read a probe and the model that its header names.

    Args:
        path: of the probe.
        model: loads a model by job id or path.

    Raises:
        NotFoundError: the model is not there any more.
        WeightsError: it is another model now, or the file holds no whole probe.
    """
    from medssl.inference.classification.probe import KNearest, LinearProbe

    file = open_weights(path)
    task = file.plan.task
    net = model(task["model"])
    source: Plan = net.plan  # type: ignore[assignment]
    if source.sha256 != task["model_sha256"]:
        raise WeightsError(
            f"{path}, a probe on embeddings of another model",
            f"cannot use {task['model']}, which has changed since",
            "Bring back the model it was made with, or probe this one",
            code="probe-of-another-model",
        )
    if len(source.input_size) == 3 and source.geometry.recorded and task.get("framing") != FRAMED:
        raise WeightsError(
            f"{path}, a probe of an earlier version", "stands on embeddings that did not see the borders of volumes",
            "Probe the model again", code="probe-of-earlier-embeddings",
        )  # fmt: skip
    plan = replace(file.plan, geometry=source.geometry)  # images are brought to what the model below sees
    arrays = {name: tensor.float().numpy() for name, tensor in file.tensors.items()}
    try:
        if "weight" in arrays:
            return Probe(plan, net, LinearProbe(**arrays))
        return Probe(plan, net, KNearest(**arrays, neighbours=int(task["neighbours"])))
    except (TypeError, KeyError) as error:
        raise WeightsError(path, f"holds no complete probe ({error})", "Take another copy of the file") from error
