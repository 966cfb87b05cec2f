"""`medssl demo`: the main job on real data, from download to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medssl.cli.options import Settings
from medssl.cli.output import err, out, print_table
from medssl.cli.settings import parse_settings

DEMOS = {  # one line registers a method's demonstration: (output folder, preset, settings) -> DemoResult
    "genesis": "medssl.examples.genesis_demo:demonstrate_genesis",
    "peac": "medssl.examples.landmark_demo:demonstrate_peac",
    "anatomy": "medssl.examples.landmark_demo:demonstrate_anatomy",
    "ark": "medssl.examples.ark_demo:demonstrate_ark",
}


def demo(
    method: Annotated[str, typer.Option(help="Method to show: genesis, peac, anatomy or ark.")] = "genesis",
    output: Annotated[Path, typer.Option(help="Folder for downloads, the job and the report.")] = Path("demo"),
    preset: Annotated[str, typer.Option(help="Preset of the method.")] = "laptop",
    settings: Settings = [],  # noqa: B006
) -> None:
    """Pretrain on public images, show on an unseen patient what was learnt, write report.html.

    The exit status is 1 if the model did not learn.
    """
    from medssl.core.errors import NotFoundError
    from medssl.core.registry import load

    if method not in DEMOS:
        raise NotFoundError(f"demo {method!r}", "does not exist", f"Use one of {', '.join(DEMOS)}")
    result = load(DEMOS[method])(output.resolve(), preset, parse_settings(settings))
    print_table(result.columns, result.rows)
    out.print(f"{result.verdict}\n{result.report}", highlight=False)
    if not result.good:
        err.print("The model did not beat its baselines.")
    raise typer.Exit(0 if result.good else 1)
