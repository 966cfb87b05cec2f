"""Rules of a dataset spec: where texts stand and what they mean. Standard library only: Slicer's form checks with it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from medssl.core.errors import CatalogError, closest_name

PARTS = ("training", "validation", "test")
POLICIES = ("zeros", "ones", "smooth-ones", "smooth-zeros", "ignore")  # what an uncertain or missing label becomes
FIXED = {"zeros": 0.0, "ones": 1.0, "ignore": float("nan")}
SMOOTHED = {"smooth-ones": (0.55, 0.85), "smooth-zeros": (0.0, 0.3)}  # drawn uniformly, see `training_targets`
PLACE_KEYS = ("column", "pattern")
RULE_KEYS = (*PLACE_KEYS, "equals", "contains", "separator", "others")
LIST_KEYS = ("column", "values", "separator", "others")  # `labels` of one column for all classes
TABLE_KEYS = ("file", "key", "split", "images", "delimiter")
FIELD_SPEC = re.compile(r"(\.\d+|/\d+)?")  # {Column:.2} its first two characters, {Column:/1} without its first folder

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 3, 120, 120


@dataclass(frozen=True)
class ColumnTemplate:
    """Where a text stands: in a column (the first of several names that the table has), or in the image's path below
    the root; `pattern` takes a part of it, the first group or the whole match."""

    columns: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True)
class LabelRule:
    """How one class is read: numbers (no words, no pattern), words in a column, or a pattern that is found or not."""

    name: str
    place: ColumnTemplate
    words: tuple[str, ...] = ()
    separator: str = ""  # several words in one field
    others: tuple[str, ...] | None = None  # words that are no class; None: any


@dataclass(frozen=True)
class TableRef:
    """A table: rows of images, or (with `key`) columns that are joined to the rows by equal values of the key."""

    file: str
    key: tuple[str, ...] = ()
    split: str = ""  # of all its rows
    images: tuple[str, ...] = ()  # where its images are, instead of the spec's
    delimiter: str = ","
    others: tuple[str, ...] = ()  # names that the file has in other copies of the set


@dataclass(frozen=True)
class SplitRule:
    """Which split an image is in: words at a place or, without a place, files that list images."""

    place: ColumnTemplate | None
    parts: dict[str, tuple[str, ...]]  # training, validation, test -> words or files


def quoted(value: Any) -> str:
    """A value as an error quotes it: cut where it is long or deep, so that no input can fill a message."""
    return _BRIEF.repr(value)


def check_keys(data: dict[str, Any], known: Sequence[str], where: str) -> None:
    """Raises CatalogError for an unknown key, with the closest known one."""
    for key in data:
        if key not in known:
            raise CatalogError(
                f"{where} {quoted(key)}", f"is an unknown key{closest_name(key, known)}", f"Known: {', '.join(known)}",
                code="key-unknown",
            )  # fmt: skip


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A text or a list of texts; YAML's numbers are texts too. Raises CatalogError."""
    items = value if isinstance(value, (list, tuple)) else [value]
    if not items or any(isinstance(item, (dict, list, bool)) or item is None or item == "" for item in items):
        raise CatalogError(
            f"{where} = {quoted(value)}", "must be a text or a list of texts", "Put it in quotes", code="key-type"
        )
    return tuple(str(item) for item in items)


def read_column_template(value: Any, where: str) -> ColumnTemplate:
    """A column's name, a list of names, or {column, pattern}.

    Raises:
        CatalogError: an unknown key, nothing named, or a pattern that is no regular expression.
    """
    if not isinstance(value, dict):
        return ColumnTemplate(texts(value, where))
    check_keys(value, PLACE_KEYS, where)
    if not value:
        raise CatalogError(
            where, "names neither a column nor a pattern", "Give one of the two", code="column-or-pattern"
        )
    columns = texts(value["column"], f"{where}.column") if "column" in value else ()
    return ColumnTemplate(columns, _pattern(value["pattern"], f"{where}.pattern") if "pattern" in value else "")


def read_rules(value: Any, multi_class: bool) -> tuple[LabelRule, ...]:
    """The classes in their order. Three forms: names of columns; {column, values} for all classes; class -> rule.

    Raises:
        CatalogError: none of the three, or a rule that is not understood, named.
    """
    if isinstance(value, (list, tuple)) and value:
        return tuple(LabelRule(name, ColumnTemplate((name,))) for name in texts(value, "labels"))
    if not isinstance(value, dict) or not value:
        raise CatalogError(
            f"labels = {quoted(value)}", "must name at least one class", "Write labels: [Nodule, Mass], or class: rule",
            code="label-rules-missing",
        )  # fmt: skip
    if "values" in value:
        return _one_column(value)
    return tuple(_rule(str(name), rule, multi_class) for name, rule in value.items())


def read_tables(value: Any) -> tuple[TableRef, ...]:
    """The tables: names of files, or {file, key, split, images, delimiter}. Raises CatalogError."""
    if not isinstance(value, (list, tuple)):
        raise CatalogError(
            f"tables = {quoted(value)}", "must be a list", "Write tables: [labels.csv]; [] where file names tell all",
            code="key-type",
        )  # fmt: skip
    return tuple(_table(one, f"tables[{n}]") for n, one in enumerate(value))


def read_split(value: Any, has_tables: bool) -> SplitRule | None:
    """A column, or {column or pattern, training, validation, test: words}, or {training, ...: files that list images}.

    Raises:
        CatalogError: none of these.
    """
    if value in ("", None, {}):
        return SplitRule(ColumnTemplate(("split",)), {}) if has_tables else None
    if not isinstance(value, dict):
        return SplitRule(ColumnTemplate(texts(value, "split")), {})
    check_keys(value, (*PLACE_KEYS, *PARTS), "split")
    parts = {part: texts(value[part], f"split.{part}") for part in PARTS if part in value}
    part_of: dict[str, str] = {}
    for part, words in parts.items():
        for word in words:
            if part_of.setdefault(word, part) != part:
                rule = f"is in split.{part_of[word]}, too"
                raise CatalogError(
                    f"split.{part} = {quoted(word)}", rule, "Name it in one of the two", code="split-value-repeated"
                )
    place = {key: value[key] for key in PLACE_KEYS if key in value}
    if not place and not parts:
        raise CatalogError("split", "names neither a column nor files", "See the template", code="split-rule-missing")
    return SplitRule(read_column_template(place, "split") if place else None, parts)


def template_fields(template: str, where: str = "images") -> list[tuple[str, str, str]]:
    """(text before, column, "" or ".2" or "/1") of each place in a template of paths; the last may lack a column.

    Raises:
        CatalogError: braces that do not match, or an unknown part of a column.
    """
    try:
        pieces = [(text, name or "", spec or "") for text, name, spec, _ in Formatter().parse(template)]
    except ValueError as error:
        raise CatalogError(
            f"{where} = {quoted(template)}", f"is no template ({error})", "Write images/{Column}",
            code="template-malformed",
        ) from error  # fmt: skip
    for _, name, spec in pieces:
        if not FIELD_SPEC.fullmatch(spec):
            rule = f"does not know the part {quoted(spec)} of {quoted(name)}"
            raise CatalogError(
                f"{where} = {quoted(template)}", rule, "Use {Column}, {Column:.2} (first characters) or {Column:/1}",
                code="template-malformed",
            )  # fmt: skip
    return pieces


def _pattern(value: Any, where: str) -> str:
    try:
        re.compile(str(value))
    except re.error as error:
        raise CatalogError(
            f"{where} = {quoted(value)}", f"is no regular expression ({error})", "Try it with Python's re",
            code="pattern-malformed",
        ) from error  # fmt: skip
    return str(value)


def _one_column(value: dict[str, Any]) -> tuple[LabelRule, ...]:
    check_keys(value, LIST_KEYS, "labels")
    if "column" not in value:
        raise CatalogError(
            "labels", "has values but no column", "Name the column that holds them", code="values-without-column"
        )
    place = ColumnTemplate(texts(value["column"], "labels.column"))
    others = texts(value["others"], "labels.others") if value.get("others") else ()
    values, separator = value["values"], str(value.get("separator", ""))
    words = values if isinstance(values, dict) else {name: name for name in texts(values, "labels.values")}
    return tuple(
        LabelRule(str(name), place, texts(word, f"labels.values.{name}"), separator, others)
        for name, word in words.items()
    )


def _rule(name: str, value: Any, multi_class: bool) -> LabelRule:
    where = f"labels.{name}"
    if not isinstance(value, dict):
        return LabelRule(name, ColumnTemplate(texts(value, where)))
    check_keys(value, RULE_KEYS, where)
    if "equals" in value and "contains" in value:
        raise CatalogError(where, "has both equals and contains", "Give one of the two", code="equals-and-contains")
    place = read_column_template({key: value[key] for key in PLACE_KEYS if key in value}, where)
    others = texts(value["others"], f"{where}.others") if value.get("others") else None
    if "equals" in value:
        words = texts(value["equals"], f"{where}.equals")
        return LabelRule(name, place, words, "", () if multi_class and others is None else others)
    if "contains" in value:
        words = texts(value["contains"], f"{where}.contains")
        return LabelRule(name, place, words, str(value.get("separator") or "|"), others)
    return LabelRule(name, place)


def _table(value: Any, where: str) -> TableRef:
    if isinstance(value, str) and value:
        return TableRef(value)
    if not isinstance(value, dict) or not value.get("file"):
        raise CatalogError(
            f"{where} = {quoted(value)}", "names no file", "Write labels.csv, or file: labels.csv", code="key-type"
        )
    check_keys(value, TABLE_KEYS, where)
    key = texts(value["key"], f"{where}.key") if value.get("key") else ()
    split, delimiter = str(value.get("split") or ""), str(value.get("delimiter") or ",")
    if split and split not in PARTS:
        raise CatalogError(
            f"{where}.split = {quoted(split)}", f"is no split{closest_name(split, PARTS)}", f"Use {', '.join(PARTS)}",
            code="split-unknown",
        )  # fmt: skip
    if len(delimiter) != 1:
        raise CatalogError(
            f"{where}.delimiter = {quoted(delimiter)}", "must be one character", 'Use ",", ";" or "\\t"',
            code="key-type",
        )  # fmt: skip
    images = texts(value["images"], f"{where}.images") if value.get("images") else ()
    for template in images:
        template_fields(template, f"{where}.images")
    file, *others = texts(value["file"], f"{where}.file")
    return TableRef(file, key, split, images, delimiter, tuple(others))
