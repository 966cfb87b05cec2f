"""The labels of a dataset spec as rows: a class, the column that knows it, and how that column is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from MedSSLPretrainLib.datasets.datasetSpecText import textOf, valueOf

NUMBERS, EQUALS, CONTAINS, PATTERN = "numbers", "equals", "contains", "pattern"
HOW = (NUMBERS, EQUALS, CONTAINS, PATTERN)


@dataclass(frozen=True)
class LabelRow:
    """One class; `column` and `value` as `datasetSpecText` writes them, `rest` is kept as it was."""

    name: str
    column: str
    how: str = NUMBERS
    value: str = ""
    rest: dict[str, Any] = field(default_factory=dict)  # separator, others


def rowsOf(labels: Any) -> list[LabelRow]:
    """Rows of a dataset spec's `labels`, in any of its forms; what is none of them gives no rows."""
    if isinstance(labels, (list, tuple)):
        return [LabelRow(str(name), str(name)) for name in labels]
    if not isinstance(labels, dict):
        return []
    if "values" in labels:
        return _rowsOfColumn(labels)
    return [_rowOf(str(name), rule) for name, rule in labels.items()]


def labelsOf(rows: list[LabelRow]) -> Any:
    """The shortest form: names of columns where that says it all, else class -> rule."""
    if all(row.how == NUMBERS and row.column == row.name for row in rows):
        return [row.name for row in rows]
    return {row.name: _ruleOf(row) for row in rows}


def _rowsOfColumn(labels: dict[str, Any]) -> list[LabelRow]:
    """`{column, values}`: one column for all classes."""
    how = CONTAINS if labels.get("separator") else EQUALS
    rest = {key: labels[key] for key in ("separator", "others") if labels.get(key)}
    values = labels["values"]
    words = values if isinstance(values, dict) else {name: name for name in values}
    column = textOf(labels.get("column", ""), "word")
    return [LabelRow(str(name), column, how, textOf(word, "word"), rest) for name, word in words.items()]


def _rowOf(name: str, rule: Any) -> LabelRow:
    if not isinstance(rule, dict):
        return LabelRow(name, textOf(rule, "word"))
    how = next((known for known in (EQUALS, CONTAINS, PATTERN) if known in rule), NUMBERS)
    column = textOf(rule["column"], "word") if "column" in rule else ""
    rest = {key: value for key, value in rule.items() if key not in ("column", how)}
    value = rule.get(how, "")
    return LabelRow(name, column, how, textOf(value, "text" if how == PATTERN else "word"), rest)


def _ruleOf(row: LabelRow) -> Any:
    column = valueOf(row.column, "word")
    if row.how == NUMBERS and not row.rest:
        return column
    place = {"column": column} if row.column else {}
    if row.how == NUMBERS:
        return {**place, **row.rest}
    words = row.value if row.how == PATTERN else valueOf(row.value, "word")
    return {**place, row.how: words, **row.rest}
