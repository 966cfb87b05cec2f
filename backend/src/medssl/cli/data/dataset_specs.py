"""`medssl data declare` and `medssl data sets`, and the check of declared sets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from medssl.cli.output import complain, err, out, print_json, print_table
from medssl.core.errors import CatalogError, from_dict
from medssl.datasets.spec.rules import closest_name
from medssl.datasets.spec.spec import DatasetSpec
from medssl.datasets.spec.spec_files import READY_MADE, read_dataset_spec, ready_made, ready_made_text, template

SUFFIXES = (".yaml", ".yml")
Root = Annotated[
    Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
    typer.Option("--root", help="The folder that holds the set.", show_default=False),
]


def is_dataset_spec(path: str) -> bool:
    """Does an argument name a declaration file?"""
    return path.lower().endswith(SUFFIXES)


def means_dataset_spec(argument: str) -> bool:
    """A declaration file, or the name of a ready-made set, be it misspelt."""
    if is_dataset_spec(argument) or Path(argument).exists():
        return is_dataset_spec(argument)
    return argument in READY_MADE or bool(re.fullmatch(r"[\w-]+", argument) and closest_name(argument, READY_MADE))


def read_dataset_specs(paths: Sequence[str], root: Path | None = None) -> list[DatasetSpec]:
    """Declaration files, or names of ready-made sets that lie in `root`.

    Raises:
        CatalogError: something else among them, or a declaration that breaks a rule.
    """
    if root is not None and len(paths) > 1:
        raise CatalogError(f"--root {root}", "is for one set", "Write a declaration for each: medssl data declare")
    made = []
    for path in paths:
        if path in READY_MADE:
            if root is None:
                raise CatalogError(path, "needs the folder that holds the set", f"Write: {path} --root FOLDER")
            made.append(replace(ready_made()[path], root=str(root.expanduser().absolute())))
        elif is_dataset_spec(path):
            made.append(read_dataset_spec(Path(path), root and root.expanduser()))
        else:
            rule = f"is no declaration{closest_name(path, READY_MADE)}"
            raise CatalogError(
                path, rule, "Give .yaml files alone, or other training sets alone; `medssl data sets` lists names"
            )
    return made


def declare(
    name: Annotated[str, typer.Argument(help="A ready-made set (see `medssl data sets`); nothing: a template.")] = "",
    root: Root = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="The file to write; without it the text is printed.", show_default=False),
    ] = None,
) -> None:
    """Write a declaration: where a set's images and tables are, whose they are, what the labels mean."""
    text = ready_made_text(name, root and root.expanduser().absolute()) if name else template()
    if output is None:
        print(text, end="")
        return
    if output.exists():
        raise CatalogError(output, "exists already", "Choose another name, or delete it")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CatalogError(output, f"cannot be written ({error.strerror})", "Choose another folder") from error
    err.print(f"Check it: medssl data check {output}", highlight=False)


def sets() -> None:
    """List the ready-made declarations of public sets."""
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

    with err.status("reading") as status:

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
    facts |= {part: f"{count} images" for part, count in report.get("splits", {}).items()}
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
