"""The tables of the section "Rounds": what each round brought, and the ranked cases."""

from __future__ import annotations

import qt
from MedSSLLib.widgets.counted import counted
from MedSSLLib.widgets.fitting import fitTable
from MedSSLLib.widgets.tables import fitHeight, prepareTable
from slicer.i18n import tr as _

SHOWN = 5  # rows; more scroll
METRICS = {"dice": "Dice", "auc": "AUC"}


def showRounds(table, rounds) -> None:
    """Fill a QTableWidget with the rounds of `api.rounds`; a star marks scores that do not compare."""
    rows = [(_title(one), str(one["training"]), _score(one), _minutes(one)) for one in rounds]
    tips = ["\n".join(part for part in (one["job"], _comparison(one)) if part) for one in rounds]
    _fill(table, [_("Round"), _("Labelled"), scoreTitle(rounds), _("Minutes")], rows, tips)


def scoreTitle(rounds) -> str:
    """What the score of the rounds is called."""
    metric = next((one["metric"] for one in rounds if one["metric"]), "")
    return METRICS.get(metric, metric) or _("Score")


def roundsText(rounds) -> str:
    """What the table shows, in a sentence or two."""
    if not rounds:
        return _("No round yet: fine-tune a model on the volumes that are labelled.")
    held = rounds[-1]["validation"]
    names = ", ".join(held[:3]) + ("…" if len(held) > 3 else "")
    text = counted(len(held), _("Measured on {count} fixed validation case: {names}."), _("Measured on {count} fixed validation cases: {names}."), names=names)  # fmt: skip
    if not held:
        text = _("The validation cases of this model were not recorded.")
    if not all(one["comparable"] for one in rounds):
        return text + " " + _("* Cases or their label maps were changed: the score does not compare.")
    scores = [one["score"] for one in rounds if one["score"] is not None]
    if len(scores) < 2:
        return text
    return text + " " + _("{change} since the first round.").format(change=f"{scores[-1] - scores[0]:+.3f}")


def showCases(table, rows) -> None:
    """Fill a QTableWidget with the ranking of `api.next_case`, its first row selected."""
    texts = [(f"{row['rank']}  {row['name']}", _number(row["uncertainty"]), f"{row['represents']:.0%}") for row in rows]
    _fill(table, [_("Volume"), _("Unsure"), _("Stands for")], texts, [row["why"] for row in rows])
    if rows:
        table.selectRow(0)


def _fill(table, titles, rows, tips) -> None:
    table.blockSignals(True)
    table.clear()
    table.rowCount = len(rows)
    prepareTable(table, titles)
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(f"{text}\n{tips[number]}" if tips[number] else text)
            table.setItem(number, column, item)
    fitTable(table)
    table.setProperty("nameColumn", 0)
    fitHeight(table, SHOWN)
    table.blockSignals(False)


def _title(one) -> str:
    return f"{one['number']}  {one['name']}" if one["name"] else f"{one['number']}"


def _score(one) -> str:
    return "-" if one["score"] is None else f"{one['score']:.3f}{'' if one['comparable'] else ' *'}"


def _minutes(one) -> str:
    return "-" if one["minutes"] is None else f"{one['minutes']:.1f}"


def _comparison(one) -> str:
    return "" if one["comparable"] else _("Other validation cases or label maps than before")


def _number(value) -> str:
    return "-" if value is None else f"{value:.2f}"
