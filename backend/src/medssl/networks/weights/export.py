"""Models for other programs: TorchScript, ONNX, MONAI bundles, state dicts; each read again and compared."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medssl.core.errors import ConfigError, InputError, ResourceError, WeightsError
from medssl.core.files import write_atomic
from medssl.core.plan import Plan
from medssl.networks.network import Network
from medssl.networks.standardisation import TITLES
from medssl.networks.weights.bundle import open_bundle, write_bundle
from medssl.networks.weights.bundle_inference import class_thresholds, probability_rule
from medssl.networks.weights.weight_files import export_official, load_weights, write_official

TOLERANCE = 1e-3  # of the largest answer
INPUT, OUTPUT = "image", "pred"
AFTER = {  # settings of `Plan.task` -> what MedSSL does because of them, which an exported network does not
    "postprocessing": "the post-processing of label maps",
    "largest_component": "keeping the largest part of each class",
    "mirror": "averaging mirrored copies",
}
Answer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: the file, or the bundle's folder.
        format: one of `FORMATS`.
        difference: the largest absolute one between the answers before and after; None where it was not checked.
        note: what goes in and comes out, and the licence of the weights.
    """

    path: Path
    format: str
    difference: float | None
    note: str


def export(
    network: Network | str | Path, target: str | Path, format: str, check: bool = True, part: str | None = None
) -> ExportReport:
    """Write a model for another program.

    Args:
        network: with its `.plan`, or any file that `load_weights` opens.
        target: the file to write; for a bundle a folder.
        format: "torchscript", "onnx", "bundle" (MONAI's) or "official" (a state dict under the authors' names).
        check: read it again and compare its answers to random images; of two batch sizes, and two image sizes where it
            takes more than one.
        part: "student" or "teacher" of a file with both. "official" writes both where none is asked for.

    Raises:
        ConfigError: an unknown format, or a network without plan.
        ResourceError: a package is missing (ONNX), or the target cannot be written.
        WeightsError: the file does not open, or what was written answers otherwise.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"format {format!r}", "is not known here", f"Use {', '.join(FORMATS)}", code="export-format-unknown"
        )
    write, read = FORMATS[format]
    path, target = None if isinstance(network, nn.Module) else Path(network), Path(target)
    ours = deepcopy(network) if isinstance(network, nn.Module) else load_weights(network, part)
    if not isinstance(ours, Network) or ours.plan is None:
        raise ConfigError(
            "network without plan", "cannot be exported", "Load it with medssl.load_weights", code="plan-missing"
        )
    ours = ours.cpu().eval().requires_grad_(False)
    if format == "official" and path is not None:
        export_official(path, target, part)  # with the teacher, which `ours` lacks
    else:
        write(ours, target)
    difference = _compare(ours, read(target), target) if check else None
    return ExportReport(target, format, difference, describe(ours))


def describe(network: Network) -> str:
    """What a network takes and gives, and under which licence."""
    plan = network.plan
    example = make_example(network, 1)
    sides = "i, j, k" if example.ndim == 5 else "rows, columns"
    if _one_size(network):
        takes = f"{INPUT} ({', '.join(['N', *map(str, example.shape[1:])])})"
    else:
        takes = f"{INPUT} (N, {example.shape[1]}, {sides}), sides divisible by {network.size_divisor}"
    if example.ndim == 5:
        takes += f", axes and voxels: {plan.geometry.text()}"
    scale = f"standardised as for {TITLES[network.standard]}" if network.standard else "0 to 1"
    rule = probability_rule(plan)
    after = [what for setting, what in AFTER.items() if plan.task.get(setting)]
    sentences = [
        f"{takes}, {scale}; {OUTPUT}: {network.answer}",
        "; ".join([rule[:1].upper() + rule[1:], *class_thresholds(plan)]),
        f"MedSSL does more, which is not part of this: {', '.join(after)}" if after else "",
        plan.licence,
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def make_example(network: Network, number: int, grown: bool = False) -> Tensor:
    """A random batch of the smallest images that a network takes; with `grown`, one step longer along the first axis."""
    plan = network.plan
    generator = torch.Generator().manual_seed(number)
    if network.side:
        return torch.randn(number, 3, *[network.side] * 2, generator=generator)
    divisor = network.size_divisor
    sides = [network.least_side or 2 * divisor] * network.axes
    if network.one_size:
        sides = _trained_size(plan, network.axes, divisor) or sides
    elif grown:
        sides[0] += divisor
    return torch.rand(number, plan.network.get("inputs", 1), *sides, generator=generator)


def _one_size(network: Network) -> bool:
    return bool(network.side) or network.one_size


def _trained_size(plan: Plan, axes: int, divisor: int) -> list[int]:
    size = [int(side) for side in plan.input_size or plan.task.get("crop", ())]
    return size if len(size) == axes and not any(side % divisor for side in size) else []


def _compare(network: Network, answers: Sequence[Answer], target: Path) -> float:
    worst = 0.0
    for answer in answers:
        for images in (make_example(network, 2), make_example(network, 3, grown=True)):
            with torch.inference_mode():
                wanted = network(images)
            found = answer(images)
            difference = float((found - wanted).abs().max())
            if not difference <= TOLERANCE * float(wanted.abs().max()):
                raise WeightsError(
                    target,
                    f"gives other outputs than the network (they differ by up to {difference:.2g})",
                    "Choose another format",
                    code="export-differs",
                )
            worst = max(worst, difference)
    return worst


def _trace(network: Network) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, and warns of what `_compare` looks at
        return torch.jit.trace(network, make_example(network, 2), check_trace=False)


def _write_torchscript(network: Network, target: Path) -> None:
    buffer = io.BytesIO()
    plan = network.plan
    torch.jit.save(_trace(network), buffer, _extra_files={"medssl.json": json.dumps(asdict(plan))})
    write_atomic(target, buffer.getvalue())


def _read_torchscript(target: Path) -> list[Answer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [torch.jit.load(target, map_location="cpu")]


def _write_onnx(network: Network, target: Path) -> None:
    _need("onnx", "onnxscript")
    example = make_example(network, 2)
    free = [0] if _one_size(network) else [0, *range(2, example.ndim)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network, (example,), dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT],
            dynamic_shapes=({axis: torch.export.Dim.AUTO for axis in free},),
        )  # fmt: skip
    model = program.model_proto
    plan = network.plan
    model.metadata_props.add(key="medssl", value=json.dumps(asdict(plan)))
    write_atomic(target, model.SerializeToString())


def _read_onnx(target: Path) -> list[Answer]:
    _need("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    return [lambda images: torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])]


def _need(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ResourceError(
            f"package {' and '.join(missing)}",
            "is missing, and ONNX needs it",
            'Install it: pip install "medssl[export]"',
            code="package-missing",
        )


def _write_bundle(network: Network, target: Path) -> None:
    names = [one.name for one in network.plan.channels]
    if len(names) > 1:
        raise InputError(
            f"model of the channels {', '.join(names)}", "cannot become a bundle, whose inference reads one image",
            "Export it as torchscript or onnx", code="channels-not-taken",
        )  # fmt: skip
    example = make_example(network, 1)
    sides = [str(side) if _one_size(network) else f"{network.size_divisor}*n" for side in example.shape[2:]]
    write_bundle(network, target, _trace(network), (example.shape[1], sides), describe(network))


def _read_official(target: Path) -> list[Answer]:
    return [load_weights(target)]


FORMATS: dict[str, tuple[Callable[[Network, Path], None], Callable[[Path], list[Answer]]]] = {
    "torchscript": (_write_torchscript, _read_torchscript),
    "onnx": (_write_onnx, _read_onnx),
    "bundle": (_write_bundle, open_bundle),
    "official": (write_official, _read_official),
}
