"""What is in a weight file? Read it safely, say what matches, refuse to load less than everything silently."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.errors import WeightsError
from medssl.core.files import write_atomic
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import MONAI, NETWORKS, family_of
from medssl.networks.network import Network
from medssl.networks.teacher import StudentTeacher
from medssl.networks.weights.layouts import (
    PARTS,
    ark_names,
    bundle_plan,
    choose,
    flatten,
    monai_names,
    monai_plan,
    official_content,
    official_plan,
    plain_swin,
    separate,
    start_plan,
)
from medssl.networks.weights.matching_report import DERIVED, WeightReport, compare
from medssl.networks.weights.tensor_files import digest, read_safetensors, read_torch, write_safetensors

PLAN_KEY = "medssl"
BUNDLED = Path("models", "model.pt")  # of a MONAI bundle
PROBE = "probe"  # the method of a file that has no network: a classifier of another model's embeddings


@dataclass(frozen=True)
class WeightFile:
    """An opened weight file: its tensors under our names, and the plan that goes with them."""

    path: Path
    layout: str  # "medssl", "official", "monai", or a plain Swin's: "timm", "swin"
    plan: Plan
    tensors: dict[str, Tensor]  # of one part where the file has several
    part: str = ""  # which one
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # all, where several and none was asked for
    left_out: tuple[str, ...] = ()  # names that no network here wants


def open_weights(path: str | Path, part: str | None = None) -> WeightFile:
    """Read a weight file of any known layout without running code from it.

    Args:
        path: a MedSSL safetensors file, an official `.pt`/`.pth` (state dicts inside, `module.` prefix or not), a plain
            Swin in timm's or the original repository's names, or a state dict of one of MONAI's segmentation networks; a
            MONAI bundle's folder stands for its `models/model.pt`.
        part: "student" or "teacher" where a file holds both; None opens both, the student first (of Ark the teacher).

    Raises:
        WeightsError: unsafe, damaged, of unknown layout, altered since it was written, or without the part asked for.
    """
    path = Path(path)
    path = path / BUNDLED if (path / BUNDLED).is_file() else path
    if not path.is_file():
        raise WeightsError(path, "is not a file", "Give the path of a weight file", code="file-not-found")
    safe = path.suffix == ".safetensors"
    content, metadata = read_safetensors(path) if safe else _read_torch(path)
    tensors = flatten(content)
    if not tensors:
        raise WeightsError(
            path, "holds no named tensors", "Give a file with a state dict", code="weights-without-tensors"
        )
    plan = Plan.from_metadata(metadata) or bundle_plan(path)
    if plan is not None and plan.sha256 and plan.sha256 != digest(tensors):
        raise WeightsError(
            path, "was altered after it was written (its digest differs)", "Take another copy of the file",
            code="weights-altered",
        )  # fmt: skip
    parts = separate(tensors)
    chosen = choose(path, parts, part)
    tensors = parts.get(chosen, tensors)
    if len(parts) < 2 or part is not None:
        parts = {}
    layout, left_out = "medssl" if safe and plan else "official", tuple[str, ...]()
    if plan is None and (swin := plain_swin(tensors)) is not None:
        (layout, tensors, left_out), parts = swin, {}
        plan = start_plan(path, layout, tensors)
    if plan is None and (found := monai_plan(path, tensors)) is not None:
        layout, plan = "monai", found
    if plan is not None and family_of(plan) == MONAI:
        tensors, left_out = monai_names(tensors)
    if "omni_heads.0.weight" in tensors:
        tensors, left_out = ark_names(tensors)
        parts = {name: ark_names(named)[0] for name, named in parts.items()}
    plan = plan or official_plan(path, tensors)
    if chosen and not parts:
        plan = replace(plan, provenance={**plan.provenance, "part": chosen})
    return WeightFile(path, layout, plan, tensors, chosen, parts, left_out)


def inspect_weights(path: str | Path, part: str | None = None) -> tuple[WeightFile, WeightReport]:
    """Open a file and hold it against the network it names; a probe is whole by itself."""
    file = open_weights(path, part)
    if file.plan.method == PROBE:
        return file, WeightReport(tuple(file.tensors), (), (), ())
    with torch.device("meta"):
        network = build_network(file.plan)
    return file, compare(network, file.tensors, file.left_out)


def load_weights(
    path: str | Path, part: str | None = None, fidelity: str | None = None, partial: bool = False
) -> Network:
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
    sha256 = file.plan.sha256 or digest(file.tensors)  # official files have none, and probes ask for it
    plan = replace(file.plan, fidelity=fidelity or file.plan.fidelity, sha256=sha256)
    network = _filled(file, plan, partial)
    network.plan = plan
    return network.eval()


def fill(network: nn.Module, file: WeightFile, partial: bool = False) -> WeightReport:
    """Copy a file's tensors into a network; into a student and its teacher both parts of the file, or its one part twice.

    Raises:
        WeightsError: something is missing, unexpected or of another shape, and `partial` is False.
    """
    report, tensors = check_fit(network, file, partial), _tensors_for(network, file)
    network.load_state_dict({name: tensors[name] for name in report.matched}, strict=False)
    return report


def check_fit(network: nn.Module, file: WeightFile, partial: bool = False) -> WeightReport:
    """Hold a file against a network, which may be on the meta device.

    Raises:
        WeightsError: see `fill`.
    """
    report = compare(network, _tensors_for(network, file), file.left_out)
    if not report.matched or not (partial or report.complete):
        raise WeightsError(
            file.path, f"does not fit entirely ({report.summary()})",
            "Take the right file, or say that a partial match will do", code="weights-incomplete",
        )  # fmt: skip
    return report


def build_network(plan: Plan) -> Network:
    """The untrained network that a plan describes.

    Raises:
        WeightsError: an unknown method, or arguments that its network does not take.
    """
    if plan.method not in NETWORKS:
        raise WeightsError(
            f"method {plan.method!r}", "is not known here", f"Known: {', '.join(NETWORKS)}",
            code="method-of-weights-unknown",
        )  # fmt: skip
    try:
        return load(NETWORKS[plan.method].network)(**plan.network, fidelity=plan.fidelity)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"network {plan.network}", f"cannot be built ({error})", "Update MedSSL, or take another copy of the file",
            code="network-not-buildable",
        ) from error  # fmt: skip


def save_weights(path: str | Path, tensors: dict[str, Tensor], plan: Plan) -> Plan:
    """Write a MedSSL checkpoint atomically; returns the plan with the tensors' digest."""
    plan = replace(plan, sha256=digest(tensors))
    write_safetensors(Path(path), tensors, plan.to_metadata())
    return plan


def convert_weights(source: str | Path, target: str | Path, part: str | None = None, partial: bool = False) -> Plan:
    """Turn any known weight file into a MedSSL checkpoint that `load_weights` opens whole.

    Student and teacher both go into it where no part is asked for; optimiser states do not. Buffers that the network derives
    are kept where the source has them, so that `export_official` gives back what was there.

    Raises:
        WeightsError: the source does not fit its network entirely and `partial` is False.
    """
    file = open_weights(source, part)
    state = {}
    for name, tensors in (file.parts or {"": file.tensors}).items():
        network = _filled(replace(file, tensors=tensors, parts={}), file.plan, partial)
        kept = {n: t for n, t in network.state_dict().items() if n in tensors or not n.endswith(DERIVED)}
        state.update(_named(name, kept))
    return save_weights(target, state, file.plan)


def export_official(source: str | Path, target: str | Path, part: str | None = None) -> None:
    """Write the weights with `torch.save` as the authors' programs expect them: `module.` names in the official parts.

    Other programs find their names; ours finds the plan beside them, so that normalisation and licence are not lost.

    Raises:
        ResourceError: the file cannot be written.
    """
    file = open_weights(source, part)
    _write_content(Path(target), official_content(file.plan, file.tensors, file.parts), file.plan)


def write_official(network: Network, target: Path) -> None:
    """The same of a network with its `.plan`."""
    plan = network.plan
    _write_content(target, official_content(plan, network.state_dict(), {}), plan)


def _write_content(target: Path, content: dict[str, Any], plan: Plan) -> None:
    plan = replace(plan, sha256=digest(flatten(content)))
    buffer = io.BytesIO()
    torch.save({**content, **plan.to_metadata()}, buffer)
    write_atomic(target, buffer.getvalue())


def _read_torch(path: Path) -> tuple[Any, dict[str, str]]:
    """A torch file's content, and our plan where the file is our own export."""
    content = read_torch(path)
    own = isinstance(content, dict) and isinstance(content.get(PLAN_KEY), str)
    return content, {PLAN_KEY: content[PLAN_KEY]} if own else {}


def _filled(file: WeightFile, plan: Plan, partial: bool) -> Network:
    with torch.device("meta"):
        outline = build_network(plan)
    check_fit(outline, file, partial)  # before memory is taken for what the header announces
    network = build_network(plan)
    fill(network, file, partial)
    return network


def _tensors_for(network: nn.Module, file: WeightFile) -> dict[str, Tensor]:
    if not isinstance(network, StudentTeacher):
        return file.tensors
    found: dict[str, Tensor] = {}
    for part in PARTS:
        found.update(_named(part, file.parts.get(part, file.tensors)))
    return found


def _named(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}" if part else name: tensor for name, tensor in tensors.items()}
