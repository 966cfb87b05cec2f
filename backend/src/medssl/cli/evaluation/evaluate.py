"""`medssl evaluate`: what predictions are worth, with intervals, by group, as one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from medssl.cli.evaluation.apply_options import Findings, Heads, ModelPart, Split
from medssl.cli.evaluation.applying import ark_settings
from medssl.cli.evaluation.evaluate_applied import apply_first, heads_note, notes_of_table
from medssl.cli.evaluation.evaluate_folders import bare_note, found_images, pairs_in
from medssl.cli.evaluation.evaluate_options import (
    SEVERAL,
    WITH_MODEL,
    applied_by,
    differs,
    measured_in,
    refuse_not_counting,
)
from medssl.cli.evaluation.evaluate_seen import TRAINED_TOO
from medssl.cli.options import Device, Home
from medssl.cli.output import err, out, print_table
from medssl.cli.working import working
from medssl.core.errors import InputError, counted
from medssl.core.home import home_folder
from medssl.pretraining.seen import NO_TEST

if TYPE_CHECKING:
    from medssl.evaluation.label_map_pairs import Pair
    from medssl.evaluation.prediction_tables import Predictions
    from medssl.images.segment_classes import SegmentClasses

Groups = Annotated[
    list[str], typer.Option("--group", help="Column for results per group: sex, or in bands: age:0,40,60; repeatable.")
]
ValidationTable = Annotated[
    Path | None, typer.Option("--validation", help="Predictions of validation images, which fix thresholds.")
]
ModelLabels = Annotated[
    str, typer.Option("--labels", help="Label columns, where they are not those that --model was trained on.")
]
Patients = Annotated[
    Path | None,
    typer.Option(help="Catalogue with the patients and groups of --truth; only images that it lists are measured."),
]
Pictures = Annotated[
    Path | None,
    typer.Option("--images", help="Folder with the images, where they are not where a table says, for the pictures."),
]


def evaluate(
    source: Annotated[
        list[str],
        typer.Argument(
            help="predictions.csv or cases.csv; a folder of label maps; NAME=TABLE.csv several times; or data."
        ),
    ],
    model: Annotated[str, typer.Option(help="Model to apply to the data first: a job's id or a weight file.")] = "",
    findings: Findings = [],  # noqa: B006
    heads: Heads = [],  # noqa: B006
    part: ModelPart = "auto",
    split: Split = "",
    trained_too: Annotated[
        bool, typer.Option(TRAINED_TOO, help="Images on which a pretrained Ark was trained are measured all the same.")
    ] = False,
    truth: Annotated[Path | None, typer.Option(help="Folder with the true label maps, of the same names.")] = None,
    validation: ValidationTable = None,
    group: Groups = [],  # noqa: B006
    labels: ModelLabels = "",
    catalog: Patients = None,
    images: Pictures = None,
    classes: Annotated[str, typer.Option(help="Class names of values in label maps: 1=Anterior,2=Posterior.")] = "",
    rule: Annotated[
        str, typer.Option(help="Rule for thresholds from --validation: youden, f1 or specificity.")
    ] = "youden",
    specificity: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Specificity at which sensitivity is stated.")
    ] = 0.9,
    kind: Annotated[str, typer.Option(help="Kind of labels: binary, multi-class, multi-label, or auto.")] = "auto",
    tolerance: Annotated[float, typer.Option(min=0.0, help="Tolerance of the surface Dice, in mm.")] = 1.0,
    replicates: Annotated[int, typer.Option(min=100, help="Replicates of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("evaluation"),
    device: Device = "auto",
    home: Home = None,
) -> None:
    """Measure predictions against the truth: report.html, evaluation.json and tables, with intervals by patient.

    A pretrained Ark is measured without further training: name findings (or heads) and --split test. Several NAME=TABLE.csv
    with one --group compare models that were trained on one group each, on every group.
    """
    from medssl.evaluation.prediction_tables import is_cases, read_cases, read_predictions
    from medssl.tasks.apply.table_choices import TableChoices, choices_of, chosen_on

    draws = {"replicates": replicates, "seed": seed}
    options = {
        "--finding": findings, "--head": heads, "--part": part, "--split": split, "--labels": labels, "--truth": truth,
        "--validation": validation, "--rule": rule, "--specificity": specificity, "--kind": kind, "--catalog": catalog,
        "--classes": classes, "--tolerance": tolerance, "--images": images,
    }  # fmt: skip
    if all("=" in text and not Path(text).exists() for text in source):
        refuse_not_counting(options, SEVERAL)
        _cross(source, group, output, draws)
        return
    pairs: tuple[list[Pair], SegmentClasses, list[str]] | None = None
    thresholds: dict[str, float] = {}
    seen: list[str] = []
    if model:
        refuse_not_counting(options, applied_by(model, bool(findings or heads), home))
        asked = ark_settings(findings, heads, part)
        found, thresholds, task_kind, seen = apply_first(
            model, source, labels, asked, split, trained_too, output, device, home
        )
        kind = task_kind if kind == "auto" else kind
    else:
        path = _single(source, options)
        refuse_not_counting(options, measured_in(path, truth))
        found = pairs_in(path, truth, catalog, images, classes, home) if truth or path.is_dir() else path
    if isinstance(found, tuple):
        pairs = found
        _report_segmentation(_measured(pairs[0], pairs[1], tolerance, output), group, output, draws, pairs, images)
    elif isinstance(found, Path) and is_cases(found):
        _report_segmentation(read_cases(found), group, output, draws, None, images)
    else:
        path = found if isinstance(found, Path) else output / "applied" / "predictions.csv"
        table = read_predictions(found) if isinstance(found, Path) else found
        seen = seen or notes_of_table(path, table, home_folder(home), trained_too)
        known = choices_of(path, table.names, home_folder(home)) if not model else TableChoices(thresholds)
        if validation:
            known = replace(
                known, thresholds=chosen_on(read_predictions(validation), table, rule, specificity), note=""
            )
        thresholds, seen = known.thresholds, [*seen, *[known.note] * bool(known.note)]
        settings = {"kind": known.kind if kind == "auto" else kind, "specificity": specificity, **draws}
        _report_classification(table, path, thresholds, group, output, settings, seen, images)


def _single(source: list[str], options: Mapping[str, Any]) -> Path:
    if asked := [name for name in WITH_MODEL if differs(name, options[name])]:
        rule, remedy = "needs a model, and none is given", "Add --model, or leave it out"
        raise InputError(", ".join(asked), rule, remedy, code="model-missing")
    if len(source) != 1:
        rule, remedy = "are more than one", "Give one table, or NAME=TABLE.csv of each model"
        raise InputError(f"{len(source)} sources", rule, remedy, code="several-sources")
    return Path(source[0])


def _cross(source: list[str], group: list[str], output: Path, draws: Mapping[str, int]) -> None:
    from medssl.evaluation.cross_table import cross_table
    from medssl.evaluation.prediction_tables import read_predictions
    from medssl.reports.cross_table_report import write_cross_table

    if len(group) != 1 or len(source) < 2:
        rule = "takes two tables or more and one --group"
        raise InputError("NAME=TABLE.csv", rule, "Add --group sex", code="cross-table-arguments")
    tables = {name: read_predictions(Path(path)) for name, _, path in (text.partition("=") for text in source)}
    rows = cross_table(tables, group[0], "auc", **draws)
    report = write_cross_table(rows, output, "Trained on one group, tested on each", draws["replicates"])
    columns = ("class", "trained_on", "tested_on", "value", "low", "high", "difference", "adjusted_p")
    print_table(columns, [["" if row[c] is None else row[c] for c in columns] for row in rows], "AUC")
    out.print(f"{report}", highlight=False)


def _measured(pairs: list[Pair], classes: SegmentClasses, tolerance: float, output: Path) -> list[dict[str, Any]]:
    from medssl.evaluation.label_map_cases import measure_pairs
    from medssl.evaluation.prediction_tables import write_cases

    with working("measuring") as status:
        rows = measure_pairs(
            pairs, classes, tolerance, lambda n, image: status.update(f"measuring {n + 1} of {len(pairs)}: {image}")
        )
    output.mkdir(parents=True, exist_ok=True)
    write_cases(output / "cases.csv", rows)
    return rows


def _report_segmentation(
    cases: list[dict[str, Any]],
    group: list[str],
    output: Path,
    draws: Mapping[str, int],
    pairs: tuple[list[Pair], SegmentClasses, list[str]] | None,
    images: Path | None,
) -> None:
    from medssl.evaluation.evaluate import evaluate_segmentation
    from medssl.reports.evaluation_report import write_evaluation
    from medssl.reports.figures.case_pictures import draw_worst

    evaluation = evaluate_segmentation(cases, group, **draws)
    pictures = found_images([row["image"] for row in evaluation["worst"]], Path(), images) if not pairs else {}
    if pairs:
        pictures, bare = draw_worst(pairs[0], evaluation["worst"], pairs[1], (output / "pictures").absolute())
        evaluation["notes"] += pairs[2] + bare_note(bare, len(pictures))
    report = write_evaluation(evaluation, output, "Segmentation", pictures)
    _show(evaluation, report, ("dice", "iou", "surface_dice", "hd95"))


def _report_classification(
    table: Predictions,
    path: Path,
    thresholds: dict[str, float],
    group: list[str],
    output: Path,
    settings: dict[str, Any],
    seen: list[str],
    images: Path | None,
) -> None:
    from medssl.evaluation.evaluate import evaluate_classification
    from medssl.reports.evaluation_report import write_evaluation

    evaluation = evaluate_classification(table, thresholds, group, **settings)
    evaluation["notes"] = heads_note(path) + seen + evaluation["notes"]
    title = "Classification" + (" of images it was trained on" if any(NO_TEST in note for note in seen) else "")
    report = write_evaluation(evaluation, output, title, found_images(table.images, path.parent, images))
    _show(evaluation, report, ("auc", "average_precision", "accuracy", "f1", "sensitivity", "specificity"))


def _show(evaluation: Mapping[str, Any], report: Path, metrics: tuple[str, ...]) -> None:
    """The table on the terminal."""
    from medssl.evaluation.verdicts import TITLES
    from medssl.reports.numbers import with_interval

    rows = [[name, *(with_interval(values[m]) for m in metrics)] for name, values in evaluation["metrics"].items()]
    print_table(("class", *(TITLES[m] for m in metrics)), rows, counted(evaluation["images"], "image"))
    for note in evaluation["notes"]:
        err.print(
            "[bold red]warning[/]" if note.startswith(NO_TEST) else "[yellow]note[/]", escape(note), highlight=False
        )
    out.print(f"{report}\n{evaluation['verdict']['text']}", highlight=False, markup=False)
