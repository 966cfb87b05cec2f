"""What is in a weight file? Read it safely, say what matches, refuse to load less than everything silently."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medssl.errors import WeightsError
from medssl.files import write_atomic
from medssl.networks import NETWORKS
from medssl.networks.plan import Plan
from medssl.networks.tensors import digest, read_safetensors, read_torch, write_safetensors
from medssl.registry import load

OFFICIAL_LICENCE = {
    "genesis": "Official Models Genesis weights: released by their authors for non-commercial use only; see NOTICE",
}
OFFICIAL_NORMALISATION = {"genesis": {"kind": "ct", "low": -1000.0, "high": 1000.0}}
OFFICIAL_INPUT_SIZE = {"genesis": (64, 64, 32)}
PLAN_KEY = "medssl"
DERIVED = ("num_batches_tracked", "attn_mask", "relative_position_index")  # may be absent from a file
SMALLEST_SHARE = 0.3  # of a network's names that must be there for a file to count as its


@dataclass(frozen=True)
class WeightFile:
    """An opened weight file: its tensors under our names, and the plan that goes with them."""

    path: Path
    layout: str  # "medssl" or "official"
    plan: Plan
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class WeightReport:
    """How a file's tensors fit a network."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]  # the network has them, the file does not
    unexpected: tuple[str, ...]  # the file has them, the network does not
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # name, shape in the file, shape wanted

    @property
    def complete(self) -> bool:
        """Every tensor of the network and of the file found its place."""
        return not (self.missing or self.unexpected or self.reshaped)

    def counts(self) -> str:
        """How many tensors fell where."""
        return f"{len(self.matched)} matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected, {len(self.reshaped)} reshaped"

    def summary(self) -> str:
        """The counts, and the first few names of each kind that does not fit."""
        kinds = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "reshaped": [name for name, _, _ in self.reshaped],
        }
        some = (
            f"{kind} {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" for kind, names in kinds.items() if names
        )
        return "; ".join([self.counts(), *some])

    def lines(self) -> list[str]:
        """The report as text, a line each for what does not fit."""
        return [
            self.counts(),
            *(f"missing     {name}" for name in self.missing),
            *(f"unexpected  {name}" for name in self.unexpected),
            *(
                f"reshaped    {name}: {list(had)} in the file, {list(wanted)} wanted"
                for name, had, wanted in self.reshaped
            ),
        ]


def open_weights(path: str | Path, part: str | None = None) -> WeightFile:
    """Read a weight file of any known layout without running code from it.

    Args:
        path: a MedSSL safetensors file, or an official `.pt` (`state_dict` inside, `module.` prefix or not).
        part: "student" or "teacher" where a file holds both.

    Raises:
        WeightsError: unsafe, damaged, of unknown layout, or altered since it was written.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(path, "is not a file", "Give the path of a weight file")
    if path.suffix == ".safetensors":
        tensors, metadata = read_safetensors(path)
        plan = Plan.from_metadata(metadata)
        if plan is not None:
            return WeightFile(path, "medssl", _verified(path, plan, tensors), tensors)
    else:
        content = read_torch(path)
        tensors = _state_dict(path, content, part)
        if isinstance(content.get(PLAN_KEY), str):  # our own export
            tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
            plan = Plan.from_metadata({PLAN_KEY: content[PLAN_KEY]})
            assert plan is not None, "the key is there"
            return WeightFile(path, "official", _verified(path, plan, tensors), tensors)
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return WeightFile(path, "official", _official_plan(path, tensors), tensors)


def inspect_weights(path: str | Path, part: str | None = None) -> tuple[WeightFile, WeightReport]:
    """Open a file and hold it against the network it names."""
    file = open_weights(path, part)
    with torch.device("meta"):
        network = build_network(file.plan)
    return file, compare(network, file.tensors)


def load_weights(
    path: str | Path, part: str | None = None, fidelity: str | None = None, partial: bool = False
) -> nn.Module:
    """Build the network of a weight file and fill it; evaluation mode, on the CPU, with `.plan`.

    Args:
        path: any file that `open_weights` knows.
        part: "student" or "teacher" where a file holds both.
        fidelity: "paper" or "released"; None takes the file's own, which for official files is "released".
        partial: accept a file that matches only in part.

    Raises:
        WeightsError: the file does not fit entirely and `partial` is False.
    """
    file = open_weights(path, part)
    plan = replace(file.plan, fidelity=fidelity or file.plan.fidelity)
    with torch.device("meta"):
        outline = build_network(plan)
    check_fit(outline, file, partial)  # before memory is taken for what the header announces
    network = build_network(plan)
    fill(network, file, partial)
    network.plan = plan  # type: ignore[assignment]  # nn.Module types every attribute as a tensor
    return network.eval()


def fill(network: nn.Module, file: WeightFile, partial: bool = False) -> WeightReport:
    """Copy a file's tensors into a network.

    Raises:
        WeightsError: something is missing, unexpected or of another shape, and `partial` is False.
    """
    report = check_fit(network, file, partial)
    matched = set(report.matched)
    network.load_state_dict({name: tensor for name, tensor in file.tensors.items() if name in matched}, strict=False)
    return report


def check_fit(network: nn.Module, file: WeightFile, partial: bool = False) -> WeightReport:
    """Hold a file against a network, which may be on the meta device.

    Raises:
        WeightsError: see `fill`.
    """
    report = compare(network, file.tensors)
    if not report.matched or not (partial or report.complete):
        raise WeightsError(
            file.path,
            f"does not fit entirely ({report.summary()})",
            "Take the right file, or say that a partial match will do",
        )
    return report


def compare(network: nn.Module, tensors: dict[str, Tensor]) -> WeightReport:
    """Hold tensors against a network's names and shapes."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    had = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    common = [name for name in wanted if name in had]
    return WeightReport(
        matched=tuple(name for name in common if wanted[name] == had[name]),
        missing=tuple(name for name in wanted if name not in had and not name.endswith(DERIVED)),
        unexpected=tuple(name for name in had if name not in wanted and not name.endswith(DERIVED)),
        reshaped=tuple((name, had[name], wanted[name]) for name in common if wanted[name] != had[name]),
    )


def build_network(plan: Plan) -> nn.Module:
    """The untrained network that a plan describes.

    Raises:
        WeightsError: an unknown method, or arguments that its network does not take.
    """
    if plan.method not in NETWORKS:
        raise WeightsError(f"method {plan.method!r}", "is not known here", f"Known: {', '.join(NETWORKS)}")
    try:
        return load(NETWORKS[plan.method])(**plan.network, fidelity=plan.fidelity)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"network {plan.network}", f"cannot be built ({error})", "Update MedSSL, or take another copy of the file"
        ) from error


def save_weights(path: str | Path, tensors: dict[str, Tensor], plan: Plan) -> Plan:
    """Write a MedSSL checkpoint atomically; returns the plan with the tensors' digest."""
    plan = replace(plan, sha256=digest(tensors))
    write_safetensors(Path(path), tensors, plan.to_metadata())
    return plan


def convert_weights(source: str | Path, target: str | Path, part: str | None = None, partial: bool = False) -> Plan:
    """Turn any known weight file into a MedSSL checkpoint that `load_weights` opens whole.

    Raises:
        WeightsError: the source does not fit its network entirely and `partial` is False.
    """
    network = load_weights(source, part, partial=partial)
    return save_weights(target, network.state_dict(), network.plan)  # type: ignore[arg-type]


def export_official(source: str | Path, target: str | Path) -> None:
    """Write the weights as `torch.save({"state_dict": …})` with the official `module.` names.

    Other programs find their names; ours finds the plan beside them, so that normalisation and licence are not lost.

    Raises:
        ResourceError: the file cannot be written.
    """
    file = open_weights(source)
    buffer = io.BytesIO()
    state = {f"module.{name}": tensor for name, tensor in file.tensors.items()}
    torch.save({"state_dict": state, **file.plan.to_metadata()}, buffer)
    write_atomic(Path(target), buffer.getvalue())


def _state_dict(path: Path, content: Any, part: str | None) -> dict[str, Tensor]:
    if isinstance(content, dict):
        for key in filter(None, (part, "state_dict", "model", "student", "teacher")):
            if isinstance(content.get(key), dict):
                content = content[key]
                break
        tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise WeightsError(path, "holds no named tensors", "Give a file with a state dict")


def _official_plan(path: Path, tensors: dict[str, Tensor]) -> Plan:
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    best, share = "", 0.0
    for method, reference in NETWORKS.items():
        network = load(reference)
        with torch.device("meta"):
            names = network(**network.arguments_of(shapes)).state_dict().keys()
        found = len(names & shapes.keys()) / len(names)
        if found > share:
            best, share = method, found
    if share < SMALLEST_SHARE:
        some = ", ".join(list(shapes)[:3])
        raise WeightsError(
            path, f"has no layout known here (its names begin with {some})", f"Known: {', '.join(NETWORKS)}"
        )
    return Plan(
        method=best,
        network=load(NETWORKS[best]).arguments_of(shapes),
        fidelity="released",
        normalisation=OFFICIAL_NORMALISATION[best],
        input_size=OFFICIAL_INPUT_SIZE[best],
        modality="CT",
        provenance={"source": path.name, "layout": "official"},
        licence=OFFICIAL_LICENCE[best],
    )


def _verified(path: Path, plan: Plan, tensors: dict[str, Tensor]) -> Plan:
    if plan.sha256 and plan.sha256 != digest(tensors):
        raise WeightsError(
            path, "was altered after it was written (its digest differs)", "Take another copy of the file"
        )
    return plan
