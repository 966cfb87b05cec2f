"""`medssl data spec` and `medssl data specs`, and the check of dataset specs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from medssl.cli.output import complain, err, out, print_json, print_table
from medssl.cli.working import working
from medssl.core.errors import CatalogError, counted, from_dict
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import ready_made, ready_made_text, template

Root = Annotated[
    Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
    typer.Option("--root", help="Folder that holds the dataset.", show_default=False),
]


def spec(
    name: Annotated[
        str, typer.Argument(help="A ready-made dataset spec (see `medssl data specs`); nothing: the template.")
    ] = "",
    root: Root = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="File to write; without it the text is printed.", show_default=False),
    ] = None,
) -> None:
    """Write a dataset spec: where images and tables are, which patient each is of, what the labels mean."""
    text = ready_made_text(name, root and root.expanduser().absolute()) if name else template()
    if output is None:
        print(text, end="")
        return
    if output.exists():
        raise CatalogError(output, "exists already", "Choose another name, or delete it", code="file-exists")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CatalogError(
            output, f"cannot be written ({error.strerror})", "Choose another folder", code="file-unwritable"
        ) from error
    err.print(f"Check it: medssl data check {output}", highlight=False)


def specs() -> None:
    """List the ready-made dataset specs of public datasets."""
    rows = [(one.name, one.title, one.kind, len(one.classes), one.licence) for one in ready_made().values()]
    print_table(("name", "title", "kind", "classes", "licence"), rows)


def check_dataset_specs(
    dataset_specs: Sequence[DatasetSpec],
    contents: bool,
    sheet: Path | None,
    fraction: float,
    json: bool,
    read_all: bool = False,
) -> bool:
    """Print what the checker finds; False where something is wrong."""
    from medssl.datasets.spec.check import check_datasets
    from medssl.reports.figures.contact_sheet import contact_sheet

    with working("reading") as status:

        def show(share: float, text: str) -> None:
            status.update(f"{share:.0%} {text}")

        checked = check_datasets(dataset_specs, True, contents, show, fraction, read_all)
        if sheet is not None:
            for one in checked:
                if one.dataset is not None:
                    one.report["sheet"] = str(contact_sheet(one.dataset, sheet / f"sheet-{one.dataset.name}.png"))
    reports = [one.report for one in checked]
    if json:
        print_json(reports)
    else:
        for report in reports:
            _show(report)
    return not any(report["errors"] for report in reports)


def _show(report: dict[str, Any]) -> None:
    facts = {key: report[key] for key in ("title", "kind", "root", "images", "patients") if report[key]}
    facts |= {part: counted(count, "image") for part, count in report.get("splits", {}).items()}
    facts |= {f"attribute {name}": _values(found) for name, found in report.get("attributes", {}).items()}
    if "missing" in report:
        read = f"{report['looked_into']} of {report['images']} read"
        facts["files"] = f"{report['missing']} missing, {read}, {report['duplicates']} duplicates"
    if "sheet" in report:
        facts["sheet"] = report["sheet"]
    print_table((report["name"], ""), facts.items())
    if report.get("classes"):
        names = list(report["classes"][0])
        print_table(names, [[row[name] for name in names] for row in report["classes"]])
    for one in report.get("unreadable", ()):
        out.print(f"unreadable: {one['value']}: {one['rule']}", highlight=False, markup=False, soft_wrap=True)
    for error in report["errors"]:
        complain(from_dict({"type": "CatalogError", **error}))
    for one in report["warnings"]:
        out.print(f"[yellow]warning[/] {one['value']} {one['rule']}. {one['remedy']}.", highlight=False)


def _values(found: dict[str, int]) -> str:
    return ", ".join(f"{value or 'unknown'} ({count})" for value, count in found.items())
