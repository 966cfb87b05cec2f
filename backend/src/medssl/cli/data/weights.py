"""`medssl weights …`: what is in a weight file, and conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from medssl.cli.options import AsJson
from medssl.cli.output import err, out, print_json, print_table

app = typer.Typer(help="Inspect, convert and export weight files.", no_args_is_help=True)
Source = Annotated[
    Path,
    typer.Argument(
        help="A weight file: MedSSL safetensors, an official .pt, a plain Swin, one of MONAI, or its bundle."
    ),
]
Part = Annotated[Optional[str], typer.Option(help="Only this part, student or teacher, of a file with both.")]  # noqa: UP045


@app.command("inspect")
def inspect_file(file: Source, part: Part = None, as_json: AsJson = False) -> None:
    """Say what a file holds and how it fits its network; exit status 1 unless everything matches."""
    from medssl.networks.weights.weight_files import inspect_weights

    opened, report = inspect_weights(file, part)
    if as_json:
        parts = {"part": opened.part, "parts": list(opened.parts)}
        print_json({"layout": opened.layout, **parts, "plan": opened.plan, "report": report})
    else:
        plan = opened.plan
        shown = {"part": f"{opened.part} (of {' and '.join(opened.parts) or 'one'})"} if opened.part else {}
        facts = {
            "layout": opened.layout, **shown, **_task(plan.task), "method": plan.method, **_heads(plan.network), "fidelity": plan.fidelity,
            "normalisation": plan.normalisation, "input size": plan.input_size, "modality": plan.modality,
            "provenance": plan.provenance, "licence": plan.licence or "none stated", "sha256": plan.sha256 or "none stated",
            "parameters": f"{sum(t.numel() for n, t in opened.tensors.items() if t.is_floating_point() and 'running_' not in n):,}",
        }  # fmt: skip
        print_table(("", str(file)), facts.items())
        out.print("\n".join(report.lines()), markup=False, highlight=False)
    raise typer.Exit(0 if report.complete else 1)


def _heads(network: dict[str, Any]) -> dict[str, Any]:
    """The network's arguments, and a line for each head of an Ark."""
    heads = {
        f"head {one['name']}": f"{one['kind']} ({one['activation']}): {', '.join(one['classes'])}"
        for one in network.get("sets", ())
    }
    return {"network": {name: value for name, value in network.items() if name != "sets"}, **heads}


@app.command()
def convert(
    file: Source,
    output: Annotated[Path, typer.Argument(help="The MedSSL checkpoint to write (.safetensors).")],
    part: Part = None,
    partial: Annotated[bool, typer.Option(help="Accept a file that matches only in part.")] = False,
) -> None:
    """Turn a weight file into a MedSSL checkpoint with plan, licence notice and digest."""
    from medssl.networks.weights.weight_files import convert_weights

    plan = convert_weights(file, output, part, partial)
    if plan.licence:
        err.print(plan.licence, markup=False)
    print(output)


@app.command()
def export(
    file: Source,
    output: Annotated[Path, typer.Argument(help="The file to write; for a bundle the folder.")],
    part: Part = None,
    format: Annotated[
        str,
        typer.Option(
            help="official (a state dict under the authors' names), torchscript, onnx, or bundle (the folder of MONAI's "
            "model zoo)."
        ),
    ] = "official",
    check: Annotated[bool, typer.Option(help="Read it again and compare its answers.")] = True,
) -> None:
    """Write a model for other programs, and check that it answers alike."""
    from medssl.networks.weights.export import export as export_model

    report = export_model(file, output, format, check, part)
    err.print(report.note, markup=False, highlight=False)
    if report.difference is not None:
        err.print(f"Largest difference to the model's answers: {report.difference:.2g}", markup=False, highlight=False)
    print(output)


def _task(task: dict[str, Any]) -> dict[str, str]:
    """What a fine-tuned model does, in rows of the table."""
    if not task:
        return {}
    kind = ", ".join(str(task[key]) for key in ("kind", "form", "probe") if task.get(key))
    segments = [f"{segment['value']} = {segment['name']}" for segment in task.get("segments", ())]
    rows = {
        "task": task["name"] + (f" ({kind})" if kind else ""),
        "classes": ", ".join(segments or task.get("classes", ())),
        "thresholds": ", ".join(f"{name} {value:.4g}" for name, value in task.get("thresholds", {}).items()),
        "stands on": f"{task['model']} ({task['model_sha256']})" if "model" in task else "",
    }
    return {name: text for name, text in rows.items() if text}
