"""`medssl weights …`: what is in a weight file, and conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.help import verb
from medssl.cli.options import AsJson, Home
from medssl.cli.output import err, out, print_json, print_table, say
from medssl.core.home import home_folder

app = typer.Typer(help="Inspect, convert and export weight files.", no_args_is_help=True)
Source = Annotated[
    str,
    typer.Argument(
        help="A job's id or name, or a weight file: MedSSL safetensors, an official .pt, a plain Swin, one of MONAI, nnU-Net or nnssl, a checkpoint of "
        "Lightning around any of these, or a MONAI bundle."
    ),
]
WeightsPart = Annotated[
    str | None,
    typer.Option(help="Part of a file that holds several: student, teacher, model, ema …; inspect lists them."),
]


@verb(app, "inspect", "medssl weights inspect Genesis_Chest_CT.pt")
def inspect_file(file: Source, part: WeightsPart = None, as_json: AsJson = False, home: Home = None) -> None:
    """Show what a file holds and how it fits its network.

    The exit status is 1 unless everything matches.
    """
    from medssl.networks.weights.weight_files import inspect_weights

    path = _file(file, home)
    opened, report = inspect_weights(path, part)
    if as_json:
        parts = {"part": opened.part, "parts": list(opened.parts), "choices": list(opened.choices)}
        print_json({"layout": opened.layout, "holds": opened.holds, **parts, "plan": opened.plan, "report": report})
    else:
        print_table(("", "content"), _facts(opened).items(), str(path))
        out.print("\n".join(report.lines()), markup=False, highlight=False)
    raise typer.Exit(0 if report.complete else 1)


def _facts(opened: Any) -> dict[str, Any]:
    """The rows of the table: a value each, those of nested ones under dotted names."""
    plan = opened.plan
    tensors = opened.tensors.items()
    return {
        "layout": opened.layout,
        **({"part": _part(opened)} if opened.part else {}),
        **_task(plan.task),
        "method": plan.method,
        **_nested("network", {name: value for name, value in plan.network.items() if name != "sets"}),
        **{f"head {one['name']}": _head(one) for one in plan.network.get("sets", ())},
        "fidelity": plan.fidelity,
        **_nested("normalisation", plan.normalisation),
        "input size": plan.input_size,
        "modality": plan.modality,
        **({"images": plan.geometry.text()} if plan.modality != "CXR" else {}),
        **_nested("provenance", plan.provenance),
        "licence": plan.licence or "none stated",
        "sha256": plan.sha256 or "none stated",
        "parameters": f"{sum(t.numel() for n, t in tensors if t.is_floating_point() and 'running_' not in n):,}",
    }


def _part(opened: Any) -> str:
    """Which part was taken, and which others there are."""
    others = f"of {' and '.join(opened.choices)}; --part takes another" if len(opened.choices) > 1 else "of one"
    return f"{opened.part} ({others})"


def _nested(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}.{key}": value for key, value in values.items()} or {name: "none stated"}


def _head(one: dict[str, Any]) -> str:
    return f"{one['kind']} ({one['activation']}): {', '.join(one['classes'])}"


@verb(app, "convert", "medssl weights convert Genesis_Chest_CT.pt genesis.safetensors")
def convert(
    file: Source,
    output: Annotated[Path, typer.Argument(help="The MedSSL checkpoint to write (.safetensors).")],
    part: WeightsPart = None,
    partial: Annotated[bool, typer.Option("--partial", help="File that matches only in part is accepted.")] = False,
    home: Home = None,
) -> None:
    """Turn a weight file into a MedSSL checkpoint with plan, licence notice and digest."""
    from medssl.networks.weights.weight_files import convert_weights

    plan = convert_weights(_file(file, home), output, part, partial)
    if plan.licence:
        err.print(plan.licence, markup=False)
    say(output)


@verb(app, "state", "medssl weights state JOB --orientation RAS --spacing 1,1,1")
def state(
    model: Annotated[str, typer.Argument(help="Model: a job's id or a weight file.")],
    orientation: Annotated[
        str, typer.Option(help="Orientation of the training images: three letters for i, j and k, such as LPS or RAS.")
    ],
    output: Annotated[
        Path | None,
        typer.Argument(help="The checkpoint to write; left out: the model's own file gets the new header."),
    ] = None,
    spacing: Annotated[
        str, typer.Option(help="Spacing in mm along these axes that images are resampled to, or native.")
    ] = "native",
    interpolation: Annotated[str, typer.Option(help="Interpolation of images that are resampled.")] = "cubic",
    again: Annotated[bool, typer.Option("--again", help="Replacement of what the file records already.")] = False,
    home: Home = None,
) -> None:
    """State the orientation and spacing of the images that a model learnt from, where its file does not record them.

    Afterwards volumes of any orientation and spacing are brought to these before the model sees them.
    """
    from medssl.core.geometry import Geometry, parse_spacing
    from medssl.inference.models import model_path
    from medssl.networks.weights.stating import state_geometry

    path = model_path(home_folder(home), model)
    plan = state_geometry(
        path, output or path, Geometry(orientation.upper(), parse_spacing(spacing), interpolation), again
    )
    err.print(f"Images are brought to {plan.geometry.text()}", markup=False, highlight=False)
    say(output or path)


@verb(app, "export", "medssl weights export JOB model.ts --format torchscript")
def export(
    file: Source,
    output: Annotated[Path, typer.Argument(help="The file to write; for a bundle the folder.")],
    part: WeightsPart = None,
    format: Annotated[
        str,
        typer.Option(
            help="Format: official (a state dict under the authors' names), torchscript, onnx, or bundle (the folder of "
            "MONAI's model zoo)."
        ),
    ] = "official",
    check: Annotated[
        bool, typer.Option(help="Comparison of its answers with the model's, after reading it again.")
    ] = True,
    home: Home = None,
) -> None:
    """Write a model for other programs, and check that it gives the same answers."""
    from medssl.networks.weights.export import export as export_model

    report = export_model(_file(file, home), output, format, check, part)
    err.print(report.note, markup=False, highlight=False)
    if report.difference is not None:
        err.print(f"Largest difference to the model's answers: {report.difference:.2g}", markup=False, highlight=False)
    say(output)


def _file(reference: str, home: Path | None) -> Path:
    """The file, or the folder of a bundle, that a path names, or the model of a job.

    Raises:
        NotFoundError: neither. StateError: the job has not finished.
    """
    from medssl.jobs.store import model_of_job

    path, folder = Path(reference).expanduser(), home_folder(home)
    if path.exists():
        return path
    if known := model_of_job(folder, reference):
        return known
    if path.suffix:  # whoever reads it says that it is not there
        return path
    from medssl.inference.models import model_path

    return model_path(folder, reference)


def _task(task: dict[str, Any]) -> dict[str, str]:
    """What a fine-tuned model does, in rows of the table."""
    if not task:
        return {}
    kind = ", ".join(str(task[key]) for key in ("kind", "form", "probe") if task.get(key))
    segments = [f"{segment['value']} = {segment['name']}" for segment in task.get("segments", ())]
    from medssl.inference.volumes.postprocessing import sentence  # here: other verbs need no scipy

    calibration = task.get("calibration") or {}
    rows = {
        "task": task["name"] + (f" ({kind})" if kind else ""),
        "classes": ", ".join(segments or task.get("classes", ())),
        "thresholds": ", ".join(f"{name} {value:.4g}" for name, value in task.get("thresholds", {}).items()),
        "post-processing": sentence(task.get("postprocessing", ())),
        "temperature": f"{calibration['temperature']:.3g}" if calibration else "",
        "stands on": f"{task['model']} ({task['model_sha256']})" if "model" in task else "",
    }
    return {name: text for name, text in rows.items() if text}
