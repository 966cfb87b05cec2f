"""What is in a weight file? Read it safely, say what matches, refuse to load less than everything silently."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.errors import MedSSLError, WeightsError
from medssl.core.files import write_atomic
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.networks import NETWORKS
from medssl.networks.network import Network
from medssl.networks.teacher import StudentTeacher
from medssl.networks.weights.containers import PAIR, Part, choose, parts_of, settings_of
from medssl.networks.weights.file_kinds import is_safetensors, refuse_folder
from medssl.networks.weights.layouts.library_names import our_names
from medssl.networks.weights.layouts.official import bundle_plan, official_content
from medssl.networks.weights.layouts.recognised import Recognised, recognise
from medssl.networks.weights.layouts.swin import ark_names
from medssl.networks.weights.matching_report import COMPUTED, DERIVED, WeightReport, compare
from medssl.networks.weights.tensor_files import check_tensors, digest, read_safetensors, write_safetensors
from medssl.networks.weights.unpickling import read_torch

PLAN_KEY = "medssl"
BUNDLED = Path("models", "model.pt")  # of a MONAI bundle
PROBE = "probe"  # the method of a file that has no network: a classifier of another model's embeddings


@dataclass(frozen=True)
class WeightFile:
    """An opened weight file: its tensors under our names, and the plan that goes with them."""

    path: Path
    layout: str  # "medssl", "official", or one that a layout of `LAYOUTS` names
    plan: Plan
    tensors: dict[str, Tensor]  # of one part where the file has several
    part: str = ""  # which one
    parts: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # student and teacher, where none was asked for
    left_out: tuple[str, ...] = ()  # names that no network here wants
    choices: tuple[str, ...] = ()  # all parts of the file, the one to prefer first
    holds: str = ""  # "encoder" or "backbone", of layouts that never hold more; "": the whole network


def open_weights(path: str | Path, part: str | None = None) -> WeightFile:
    """Read a weight file of any known layout without running code from it.

    Args:
        path: a MedSSL safetensors file, or one of another program in a layout of `LAYOUTS`: state dicts within others and
            under the names of wrappers, checkpoints of Lightning; a MONAI bundle's folder stands for its `models/model.pt`.
        part: which one where a file holds several, such as "student", "teacher", "ema"; None takes the first of
            `containers.ORDER`, and of a student and a teacher opens both, the student first (of Ark the teacher).

    Raises:
        WeightsError: unsafe, cut, damaged, of unknown layout, with NaN, altered since it was written, or without the part
            asked for.
    """
    path = Path(path)
    refuse_folder(path)
    path = path / BUNDLED if (path / BUNDLED).is_file() else path
    if not path.is_file():
        raise WeightsError(path, "is not a file", "Give the path of a weight file", code="file-not-found")
    content, plan = _read(path)
    parts = parts_of(path, content)
    if not any(one.tensors for one in parts.values()):
        raise WeightsError(
            path, "holds no named tensors", "Give a file with a state dict", code="weights-without-tensors"
        )
    if plan is not None and plan.sha256 and plan.sha256 != digest(_flat(parts)):
        raise WeightsError(
            path, "was altered after it was written (its digest differs)", "Take another copy of the file",
            code="weights-altered",
        )  # fmt: skip
    plan = plan or bundle_plan(path)
    chosen = choose(path, parts, part)
    found = _ours(path, parts[chosen], plan) if plan else recognise(path, parts[chosen], settings_of(content))
    check_tensors(path, found.tensors)
    both = {name: parts[name] for name in PAIR if name in parts} if part is None else {}
    pair = (
        {name: _alike(path, one, found, plan) for name, one in both.items()} if chosen in both and len(both) > 1 else {}
    )
    plan = found.plan
    if chosen and not pair:
        plan = replace(plan, provenance={**plan.provenance, "part": chosen})
    choices = tuple(name for name in parts if name)
    return WeightFile(path, found.layout, plan, found.tensors, chosen, pair, found.left_out, choices, found.holds)


def _read(path: Path) -> tuple[Any, Plan | None]:
    """A file's content, and our plan where it is a file of ours or an export of one.

    Raises:
        WeightsError: see `open_weights`; or the disk or its rights forbid reading.
    """
    try:
        if is_safetensors(path):
            tensors, metadata = read_safetensors(path)
            return tensors, Plan.from_metadata(metadata)
        content = read_torch(path)
    except MedSSLError:
        raise
    except OSError as error:
        raise WeightsError(
            path, f"cannot be read ({error})", "Check the disk and your rights to the file", code="weights-unreadable"
        ) from error
    own = isinstance(content, dict) and isinstance(content.get(PLAN_KEY), str)
    return content, Plan.from_metadata({PLAN_KEY: content[PLAN_KEY]}) if own else None


def _flat(parts: dict[str, Part]) -> dict[str, Tensor]:
    return {name: tensor for part, one in parts.items() for name, tensor in _named(part, one.tensors).items()}


def _ours(path: Path, part: Part, plan: Plan) -> Recognised:
    """A file with our plan: its names are ours, or those of the class outside MedSSL."""
    tensors, left_out = our_names(plan, part.tensors)
    if "omni_heads.0.weight" in tensors:
        tensors, left_out = ark_names(tensors)
    layout = "medssl" if path.suffix == ".safetensors" else "official"
    return Recognised(layout, plan, tensors, (*part.left_out, *left_out))


def _alike(path: Path, part: Part, found: Recognised, plan: Plan | None) -> dict[str, Tensor]:
    """The tensors of a student or a teacher, read as the other one was."""
    other = _ours(path, part, plan) if plan else recognise(path, part, {})
    return other.tensors


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
    taken = {name: tensors[name] for name in report.matched if not name.endswith(COMPUTED)}
    network.load_state_dict(taken, strict=False)
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
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError, AssertionError) as error:
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
    plan = replace(plan, sha256=digest(_flat(parts_of(target, content))))
    buffer = io.BytesIO()
    torch.save({**content, **plan.to_metadata()}, buffer)
    write_atomic(target, buffer.getvalue())


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
    for part in PAIR:
        found.update(_named(part, file.parts.get(part, file.tensors)))
    return found


def _named(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}" if part else name: tensor for name, tensor in tensors.items()}
