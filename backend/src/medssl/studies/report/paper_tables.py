"""The tables of a comparison as a paper prints them: Markdown, LaTeX, and rows for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medssl.studies.comparison.config import Study
from medssl.studies.comparison.plan import RunResult, describe_size, reference_of
from medssl.studies.results.differences import verdict
from medssl.studies.results.numbers import (
    IDENTICAL,
    UNKNOWN,
    bounds,
    mean_sd,
    metric_title,
    p_value,
    plain,
    signed,
    signed_bounds,
)
from medssl.studies.results.summaries import Summary, summarise

ESCAPED = {"\\": r"\textbackslash{}", **{sign: "\\" + sign for sign in "&%$#_{}"}, "±": r"$\pm$", "<": "$<$"}
Table = tuple[list[str], list[list[Any]]]


def result_rows(study: Study, outcomes: list[RunResult], rivals: Sequence[Summary] = ()) -> Table:
    """A row per size and arm, and behind them per size and trivial rival."""
    heads = ["arm", "size", "runs", f"{metric_title(study.metric)} mean", "sd", "95 % interval of the mean"]
    return heads, [
        [
            line.arm,
            describe_size(study, line.size),
            line.runs,
            plain(line.mean),
            IDENTICAL if line.sd == 0 else plain(line.sd),
            bounds(line.low, line.high),
        ]
        for line in (*summarise(study, outcomes), *rivals)
    ]


def rival_rows(study: Study, rows: list[dict[str, Any]]) -> Table:
    """A row per size, arm and trivial rival."""
    heads = [
        "arm",
        "size",
        "rival",
        metric_title(study.metric),
        "of the rival",
        "difference",
        "95 % interval",
        "p",
        "test",
    ]
    return heads, [
        [
            row["arm"], describe_size(study, row["size"]), row["rival"], plain(row["model"]), plain(row["value"]),
            signed(row["difference"]), signed_bounds(row["difference_low"], row["difference_high"]), p_value(row["p"]),
            row["test"],
        ]
        for row in rows
    ]  # fmt: skip


def difference_rows(study: Study, rows: list[dict[str, Any]]) -> Table:
    """A row per size, arm and test."""
    heads = ["arm", "reference", "size", "test", "difference", "95 % interval", "p", "p (Holm)", "n"]
    return heads, [
        [
            row["arm"], row["reference"], describe_size(study, row["size"]), f"{row['test']} {row['class']}".strip(),
            signed(row["difference"]), signed_bounds(row["low"], row["high"]), p_value(row["p"]),
            p_value(row["adjusted_p"]), row["n"],
        ]
        for row in rows
    ]  # fmt: skip


def markdown(
    study: Study, outcomes: list[RunResult], rows: list[dict[str, Any]], rivals: Sequence[Summary] = ()
) -> str:
    """Mean and standard deviation of each arm and trivial rival (rows) at each size (columns), and every test."""
    heads, cells = _grid(study, outcomes, rows, "**")
    of_rivals = {(line.arm, line.size): line for line in rivals}
    for name in dict.fromkeys(line.arm for line in rivals):
        known = [of_rivals[name, size] for size in study.sizes]
        cells.append([name, *(f"{mean_sd(line.mean, line.sd)} ({line.runs})" for line in known)])
    text = f"{metric_title(study.metric)} on the test set, mean ± standard deviation over seeds (number of runs). {_legend('bold')}\n\n"
    text += _markdown(heads, cells)
    if rows:
        text += "\n" + _markdown(*difference_rows(study, rows))
    return text


def latex(study: Study, outcomes: list[RunResult], rows: list[dict[str, Any]]) -> str:
    """The same grid with booktabs rules; differences as comments would not be read, so that they are a second table."""
    heads, cells = _grid(study, outcomes, rows, "")
    marked = {(row["arm"], row["size"]) for row in rows}
    for row, arm in zip(cells, study.arms):
        for n, size in enumerate(study.sizes, start=1):
            row[n] = _escaped(row[n])
            if (arm.name, size) in marked and _verdict(study, rows, arm.name, size) == "better":
                row[n] = rf"\textbf{{{row[n]}}}"
        row[0] = _escaped(row[0])
    caption = f"{metric_title(study.metric)} on the test set, mean ± standard deviation over seeds (number of runs). {_legend('bold')}"
    text = _latex([_escaped(head) for head in heads], cells, caption)
    if rows:
        heads, cells = difference_rows(study, rows)
        body = [[_escaped(str(cell)) for cell in row] for row in cells]
        text += "\n" + _latex(
            [_escaped(head) for head in heads], body, "Differences to the reference, with every test."
        )
    return text


def _grid(
    study: Study, outcomes: list[RunResult], rows: list[dict[str, Any]], mark: str
) -> tuple[list[str], list[list[str]]]:
    lines = {(line.arm, line.size): line for line in summarise(study, outcomes)}
    cells = []
    for arm in study.arms:
        row = [arm.name]
        for size in study.sizes:
            line = lines[arm.name, size]
            text = mean_sd(line.mean, line.sd) + (f" ({line.runs})" if line.runs else "")
            better = reference_of(study, arm) and _verdict(study, rows, arm.name, size) == "better"
            row.append(f"{mark}{text}{mark}" if better else text)
        cells.append(row)
    return ["arm", *(describe_size(study, size) for size in study.sizes)], cells


def _verdict(study: Study, rows: list[dict[str, Any]], arm: str, size: float) -> str:
    return verdict(study, [row for row in rows if (row["arm"], row["size"]) == (arm, size)])


def _legend(how: str) -> str:
    return f"In {how}: better than the reference by the deciding test at p < 0.05 (Holm)."


def _markdown(heads: list[str], rows: list[list[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _latex(heads: list[str], rows: list[list[str]], caption: str) -> str:
    body = "".join("  " + " & ".join(row) + " \\\\\n" for row in rows)
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{_escaped(caption)}}}\n\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n"
        f"  \\toprule\n  {' & '.join(heads)} \\\\\n  \\midrule\n{body}  \\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _escaped(text: str) -> str:
    return UNKNOWN if text == UNKNOWN else "".join(ESCAPED.get(sign, sign) for sign in text)
