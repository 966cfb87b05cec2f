"""What a comparison says, as tables and one page; from whatever is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medssl.core.errors import be, counted
from medssl.core.files import write_atomic, write_json
from medssl.core.tables import write_table
from medssl.pretraining.seen import NO_TEST
from medssl.reports.html import Report
from medssl.reports.sections import name_of
from medssl.studies.comparison.config import Study, study_from_json
from medssl.studies.comparison.plan import FAILED, FINISHED, RunResult, describe_size, outcomes
from medssl.studies.comparison.rivals import Rivals, read_rivals
from medssl.studies.report.methods_text import arm_rows, budget_notes, statements, versions
from medssl.studies.report.paper_tables import difference_rows, latex, markdown, result_rows, rival_rows
from medssl.studies.report.plots import draw_differences, draw_groups, draw_learning_curves, draw_runs
from medssl.studies.results.differences import WHAT, differences
from medssl.studies.results.groups import cross_table, group_tables
from medssl.studies.results.numbers import bounds, metric_title, p_value, plain, signed, signed_bounds
from medssl.studies.results.rival_differences import (
    rival_differences,
    rival_keys,
    rival_summaries,
    rival_verdict,
)
from medssl.studies.results.scores import CaseScores, StudyScores
from medssl.studies.results.summaries import Summary, on_same_images, run_rows, summarise, summary_rows, timing_rows
from medssl.studies.results.training_sizes import size_caution, size_rows
from medssl.studies.results.verdicts import verdicts
from medssl.tasks.history.learnt_little import DOUBT
from medssl.tasks.rivals import classifiers, segmenters

NAMED = 8  # images in a sentence


def write_study(folder: Path, about: dict[str, Any]) -> Path:
    """Write the tables and report.html of what is finished; returns the report's path.

    Args:
        folder: of the job.
        about: what `study.json` holds: the study, its data and its weights.
    """
    study = study_from_json(about["study"])
    found, results = outcomes(study, folder), folder / "results"
    scores = StudyScores(study, folder, [outcome.key for outcome in found if outcome.state == FINISHED])
    found = on_same_images(study, found, scores)
    tables: dict[str, Any] = {
        "runs": run_rows(found),
        "summary": summary_rows(study, found),
        "differences": differences(study, found, scores),
    }
    rivals = read_rivals(folder)
    beside = scores.with_more(rival_keys(study, rivals.names))
    tables["rivals"] = rival_differences(study, beside, rivals.names)
    lines = rival_summaries(study, beside, rivals.names)
    lead = rival_verdict(study, tables["rivals"], rivals.place)
    tables["groups"], tables["gaps"] = group_tables(study, scores)
    tables["cross"] = cross_table(study, scores)
    results.mkdir(exist_ok=True)
    for name, rows in tables.items():
        if rows:
            write_table(rows, results / f"{name}.csv", line_end="\n", digits=8)
    write_table(timing_rows(found), results / "timing.csv", line_end="\n", digits=8)
    said = {"verdict": lead and lead.as_dict(), "left_out": beside.left_out}
    write_json(results / "comparison.json", {**about, **tables, **said, "versions": versions()})
    first = f"{lead.text}\n\n" if lead else ""
    write_atomic(results / "table.md", (first + markdown(study, found, tables["differences"], lines)).encode())
    write_atomic(results / "table.tex", latex(study, found, tables["differences"]).encode())
    page = _page(study, found, tables, about, lines)
    if lead:
        page.lead(lead.text, lead.good)
    _rivals(page, study, tables["rivals"], rivals)
    if missed := _missed(study, scores):
        page.text(missed)
    if beside.left_out:
        page.text(_left_out(beside.left_out))
    page.write(results / "report.html")
    return results / "report.html"


def _page(
    study: Study, found: list[RunResult], tables: dict[str, Any], about: dict[str, Any], rivals: list[Summary]
) -> Report:
    done = sum(outcome.state == FINISHED for outcome in found)
    missing = "" if done == len(found) else f" {done} of {len(found)} runs are finished: what follows is about these."
    counts = next(iter(about["data"]["counts"].values()))
    report = Report(
        f"Comparison: {study.task}, {metric_title(study.metric)}",
        f"{counted(len(study.arms), 'arm')}, {counted(len(study.sizes), 'size')}, {counted(len(study.seeds), 'seed')}; "
        f"{counted(counts['test'], 'test patient')}.{missing}",
    )
    first = [note for note in about["data"]["notes"] if note.startswith((NO_TEST, DOUBT))]
    _results(report, study, found, tables, rivals, first)
    if tables["groups"]:
        _groups(report, study, tables)
    if tables["cross"]:
        _cross(report, study, tables["cross"], about["data"]["counts"])
    report.heading("Arms")
    report.table(*arm_rows(study, found, about))
    for note in budget_notes(study, found):
        report.verdict(note, good=False)
    report.heading("How it was done")
    for statement in statements(study, about):
        report.text(statement)
    failed = [outcome for outcome in found if outcome.state == FAILED]
    if failed:
        report.heading("Runs that failed")
        rows = [[o.key.arm, describe_size(study, o.key.size), o.key.seed, o.error] for o in failed]
        report.table(["arm", "size", "seed", "reason"], rows)
    return report


def _results(
    report: Report,
    study: Study,
    found: list[RunResult],
    tables: dict[str, Any],
    rivals: list[Summary],
    notes: list[str],
) -> None:
    report.heading("What can be said")
    for note in notes:
        report.verdict(f"{note}.", good=False)
    for text, good in verdicts(study, found, tables["differences"]):
        report.text(text) if good is None else report.verdict(text, good)
    lines = summarise(study, found)
    if any(line.runs for line in lines):
        report.heading("Results")
        dashed = " Dashed: trivial rivals." if rivals else ""
        report.picture(draw_learning_curves(study, lines, rivals), f"Mean over seeds with its 95 % t interval.{dashed}")
        report.table(*result_rows(study, found, rivals))
        report.picture(draw_runs(study, found), "Every run; runs of one seed are joined, bars are means.")
    if tables["differences"]:
        report.heading("Differences")
        report.picture(draw_differences(study, tables["differences"]), "Arm - reference with 95 % intervals.")
        report.table(*difference_rows(study, tables["differences"]))
        for test in dict.fromkeys(row["test"] for row in tables["differences"]):
            report.text(f"{test}: {WHAT[test]}.")


def _rivals(report: Report, study: Study, rows: list[dict[str, Any]], rivals: Rivals) -> None:
    report.heading("Trivial rivals")
    if rivals.reason:
        report.verdict(f"No arm was held against trivial rivals: {rivals.reason}.", good=None)
    if not rivals.names:
        return
    table = [
        [name, segmenters.WHAT[name] if name in segmenters.WHAT else classifiers.what_is(name, rivals.columns)]
        for name in rivals.names
    ]
    report.table(["rival", "what it is"], table)
    report.text(
        "Rivals learn from the training images of each run and choose their strength on validation. An arm is called better where "
        "the 95 % interval of its difference to each of them, by the deciding test, lies on the better side of 0."
    )
    if not study.replicates:
        report.text("No intervals were asked for (replicates: 0), so that nothing is said of differences to rivals.")
    if rows:
        report.table(*rival_rows(study, rows))


def _missed(study: Study, scores: StudyScores) -> str:
    """What is missed counts with the image's diagonal in HD95, so that a mean of it is read beside its number; "" of other metrics."""
    if study.metric != "hd95":
        return ""
    found = []
    for size in study.sizes:
        for arm in study.arms:
            runs = scores.runs(arm.name, size, scores.seeds(arm.name, size))
            counts = [run.missed() for run in runs if isinstance(run, CaseScores)]
            if counts:
                missed, of = (sum(numbers) for numbers in zip(*counts))
                found.append(f"{arm.name} ({describe_size(study, size)}) {missed} of {of}")
    return (
        f"Missed, which counts as the image's diagonal, over all cases, classes and seeds: {'; '.join(found)}."
        if found
        else ""
    )


def _left_out(images: tuple[str, ...]) -> str:
    """Which test images are not compared."""
    named = ", ".join(name_of(image) for image in images[:NAMED]) + (", …" if len(images) > NAMED else "")
    return (
        f"{counted(len(images), 'test image')} {be(len(images))} left out of every comparison and of the means, since not every run "
        f"has a value of it: {named}. Other metrics in summary.csv are over the images of each run."
    )


def _groups(report: Report, study: Study, tables: dict[str, Any]) -> None:
    report.heading("Groups of test patients")
    report.picture(draw_groups(study, tables["groups"]), "Means over seeds; 95 % intervals by drawing test patients.")
    heads = [
        "arm",
        "size",
        "attribute",
        "gap between",
        f"difference in {metric_title(study.metric)}",
        "95 % interval",
        "p",
        "p (Holm)",
    ]
    rows = [
        [
            row["arm"], describe_size(study, row["size"]), row["attribute"], f"{row['first']} - {row['second']}",
            signed(row["difference"]), signed_bounds(row["low"], row["high"]), p_value(row["p"]),
            p_value(row["adjusted_p"]),
        ]
        for row in tables["gaps"]
        if row["size"] == study.sizes[-1]
    ]  # fmt: skip
    report.table(heads, rows)
    if len(study.sizes) > 1:
        report.text(f"Gaps at {describe_size(study, study.sizes[-1])}; those at other sizes stand in gaps.csv.")


def _cross(report: Report, study: Study, rows: list[dict[str, Any]], counts: dict[str, dict[str, int]]) -> None:
    report.heading(f"Trained on one value of {study.train_on}, tested on each")
    report.text(
        "The difference is that to the same arm trained on the tested group: below 0, the group would have been served "
        "better by a model of its own. (For a metric of which less is better, above 0.)"
    )
    heads = [
        "arm",
        "size",
        "trained on",
        "tested on",
        metric_title(study.metric),
        "95 % interval",
        "difference",
        "95 % interval",
        "p (Holm)",
    ]
    report.table(heads, [
        [
            row["arm"], describe_size(study, row["size"]), row["trained_on"], row["tested_on"], plain(row["value"]),
            bounds(row["low"], row["high"]), signed(row["difference"]),
            signed_bounds(row["difference_low"], row["difference_high"]), p_value(row["adjusted_p"]),
        ]
        for row in rows
    ])  # fmt: skip
    drawn = "" if study.unit == "fractions" and study.sizes == (1.0,) else ", of which every run drew its size"
    report.text(f"Training sets{drawn}:")
    report.table(*size_rows(study, counts))
    if caution := size_caution(study, counts):
        report.verdict(caution, good=False)
