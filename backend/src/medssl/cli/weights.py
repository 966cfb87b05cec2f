"""`medssl weights …`: what is in a weight file, and conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from medssl.cli.options import AsJson
from medssl.cli.output import err, out, print_json, print_table

app = typer.Typer(help="Inspect, convert and export weight files.", no_args_is_help=True)
Source = Annotated[Path, typer.Argument(help="A weight file: MedSSL safetensors, an official .pt, or a plain Swin.")]
Part = Annotated[Optional[str], typer.Option(help="Only this part, student or teacher, of a file with both.")]  # noqa: UP045


@app.command("inspect")
def inspect_file(file: Source, part: Part = None, as_json: AsJson = False) -> None:
    """Say what a file holds and how it fits its network; exit status 1 unless everything matches."""
    from medssl.networks.weights import inspect_weights

    opened, report = inspect_weights(file, part)
    if as_json:
        parts = {"part": opened.part, "parts": list(opened.parts)}
        print_json({"layout": opened.layout, **parts, "plan": opened.plan, "report": report})
    else:
        plan = opened.plan
        shown = {"part": f"{opened.part} (of {' and '.join(opened.parts) or 'one'})"} if opened.part else {}
        facts = {
            "layout": opened.layout, **shown, "method": plan.method, "network": plan.network, "fidelity": plan.fidelity,
            "normalisation": plan.normalisation, "input size": plan.input_size, "modality": plan.modality,
            "provenance": plan.provenance, "licence": plan.licence or "none stated", "sha256": plan.sha256 or "none stated",
            "parameters": f"{sum(t.numel() for n, t in opened.tensors.items() if t.is_floating_point() and 'running_' not in n):,}",
        }  # fmt: skip
        print_table(("", str(file)), facts.items())
        out.print("\n".join(report.lines()), markup=False, highlight=False)
    raise typer.Exit(0 if report.complete else 1)


@app.command()
def convert(
    file: Source,
    output: Annotated[Path, typer.Argument(help="The MedSSL checkpoint to write (.safetensors).")],
    part: Part = None,
    partial: Annotated[bool, typer.Option(help="Accept a file that matches only in part.")] = False,
) -> None:
    """Turn a weight file into a MedSSL checkpoint with plan, licence notice and digest."""
    from medssl.networks.weights import convert_weights

    plan = convert_weights(file, output, part, partial)
    if plan.licence:
        err.print(plan.licence, markup=False)
    print(output)


@app.command()
def export(
    file: Source, output: Annotated[Path, typer.Argument(help="The .pt file to write.")], part: Part = None
) -> None:
    """Write plain state dicts under the official names."""
    from medssl.networks.weights import export_official

    export_official(file, output, part)
    print(output)
