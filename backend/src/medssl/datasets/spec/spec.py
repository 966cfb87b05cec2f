"""Dataset spec: where a dataset's images and tables are, whose they are, what the labels mean.

Standard library only: Slicer's form makes and checks dataset specs. `spec_files` reads and writes them as YAML, `read_dataset`
reads the dataset itself.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from medssl.core.errors import CatalogError
from medssl.datasets.spec.rules import (
    POLICIES,
    ColumnTemplate,
    LabelRule,
    SplitRule,
    TableRef,
    check_keys,
    quoted,
    read_column_template,
    read_rules,
    read_split,
    read_tables,
    template_fields,
    texts,
)

KINDS = ("multi-label", "multi-class", "binary")
REPEATED = ("refuse", "first", "majority", "any")
CHOICES = {"kind": KINDS, "uncertain": POLICIES, "missing": POLICIES, "repeated": REPEATED}
TEXTS = ("title", "root", "modality", "licence", "source", "citation")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset spec as it is written; `rules`, `table_refs` and the like are what it means.

    Attributes:
        name: of the set and of its head: letters, digits, - and _.
        root: folder that all paths begin from; absolute, once it was read from a file.
        tables: files, or {file, key, split, images, delimiter}; the rows of those without a key follow each other, those with
            a key add columns. `file` may be a list: the first that is there. []: everything is read from file names.
        images: "images/{Column}"; numbered folders as "images_*/images/{Column}"; a glob without tables. A list: the first
            by which images are found. Paths stay below the root; only "{Column}" alone may hold absolute ones.
        patient: a column, or {column, pattern}: the part of a column or (without one) of the image's path.
        split: "": the column `split` where there is one, else drawn; a column; {column, training, validation, test: words};
            {training, ...: files that list images}.
        labels: see `rules.read_rules`.
        repeated: what is done where several rows name one image.
        uncertain: what -1 becomes; missing: what an empty field becomes.
        attributes: name -> column or {column, pattern}, for subgroups; a list: columns of the same names.
        only: column or attribute -> values that are kept; exclude: values that are left out.
        inverted: high values are dark in all images (DICOM files say so themselves).
    """

    name: str
    kind: str
    labels: Any
    title: str = ""
    root: str = ""
    tables: Sequence[Any] = ()
    images: Any = ""
    patient: Any = "patient"
    split: Any = ""
    repeated: str = "refuse"
    uncertain: str = "ignore"
    missing: str = "ignore"
    attributes: Any = field(default_factory=dict)
    only: dict[str, Any] = field(default_factory=dict)
    exclude: dict[str, Any] = field(default_factory=dict)
    inverted: bool = False
    modality: str = "CXR"
    licence: str = ""
    source: str = ""
    citation: str = ""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DatasetSpec:
        """Make one from what YAML, JSON or a form holds; everything but files is checked.

        Raises:
            CatalogError: a key or value that breaks a rule: its value reads "set NAME: KEY...", see `key_of`.
        """
        name = data.get("name") if isinstance(data, dict) else None
        try:
            return cls._checked(data)
        except CatalogError as error:
            if not name:
                raise
            named = name if isinstance(name, str) and len(name) < 100 else quoted(name)
            value = error.value if len(error.value) < 300 else f"{error.value[:300]}..."  # a key may be long, too
            raise CatalogError(f"set {named}: {value}", error.rule, error.remedy, code=error.code) from error

    @classmethod
    def _checked(cls, data: dict[str, Any]) -> DatasetSpec:
        if not isinstance(data, dict):
            raise CatalogError(
                f"dataset spec {quoted(data)}", "must be a mapping of keys to values", "See `medssl data spec`",
                code="not-a-mapping",
            )  # fmt: skip
        check_keys(data, KEYS, "key")
        for key in ("name", "kind", "labels"):
            if data.get(key) in (None, "", [], {}):
                raise CatalogError(
                    key, "is missing", "Every dataset spec has a name, a kind and labels", code="key-missing"
                )
        given = {key: value for key, value in data.items() if value not in (None, "")}  # an empty line: as left out
        for key in (*TEXTS, "name"):
            if not isinstance(given.get(key, ""), (str, int, float)):
                raise CatalogError(
                    f"{key} = {quoted(given[key])}", "must be a text", "Put it in quotes", code="key-type"
                )
        made: dict[str, Any] = {key: str(v) if key in (*TEXTS, "name") else v for key, v in given.items()}
        dataset_spec = cls(**made)
        dataset_spec._check()
        return dataset_spec

    def _check(self) -> None:
        if not NAME.fullmatch(self.name):
            raise CatalogError(
                f"name = {quoted(self.name)}", "must be letters, digits, - and _",
                "Choose a short name: it names the head", code="not-a-dataset-name",
            )  # fmt: skip
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise CatalogError(
                    f"{key} = {quoted(getattr(self, key))}", "is not a choice", f"Use {', '.join(choices)}",
                    code="key-not-a-choice",
                )  # fmt: skip
        if not isinstance(self.inverted, bool):
            raise CatalogError(
                f"inverted = {quoted(self.inverted)}", "must be true or false", "Write inverted: true", code="key-type"
            )
        self._check_classes()
        tables = self.table_refs
        if tables and tables[0].key:
            raise CatalogError(
                "tables[0].key", "is set on the first table, to which the others are joined",
                "List the table with a row per image first", code="key-on-first-table",
            )  # fmt: skip
        for ref in tables or (TableRef(""),):
            for template in ref.images or self.templates:
                self._check_images(template, bool(tables))
        for key in ("only", "exclude"):
            if not isinstance(getattr(self, key), dict):
                raise CatalogError(
                    f"{key} = {quoted(getattr(self, key))}", "must map columns to values",
                    f"Write {key}: {{View: [PA]}}", code="key-type",
                )  # fmt: skip
            for column, values in getattr(self, key).items():
                texts(values, f"{key}.{column}")
        self._check_places(bool(tables))

    def _check_places(self, tables: bool) -> None:
        attributes, split = self.attribute_places, self.split_rule
        if tables:
            return
        places = {"patient": self.patient_place} | {f"attributes.{name}": p for name, p in attributes.items()}
        if split and split.place:
            places["split"] = split.place
        columns = {key: place.columns[0] for key, place in places.items() if place.columns}
        for key in ("only", "exclude"):
            columns |= {f"{key}.{name}": name for name in getattr(self, key) if name not in attributes}
        for key, column in columns.items():
            rule, remedy = (
                "needs a table, and there is none",
                "Give {pattern: ...} of the path, as an attribute or split",
            )
            raise CatalogError(f"{key} = {quoted(column)}", rule, remedy, code="table-missing")

    def _check_classes(self) -> None:
        rules, count = self.rules, len(self.rules)
        twice = next((rule.name for n, rule in enumerate(rules) if rule.name in [r.name for r in rules[:n]]), None)
        if twice:
            raise CatalogError(f"labels.{twice}", "is there twice", "Name every class once", code="label-repeated")
        if self.kind == "binary" and count != 1:
            raise CatalogError(
                f"labels ({count} classes)", "must be one class in a binary set",
                "Write kind: multi-label or multi-class", code="wrong-number-of-labels",
            )  # fmt: skip
        if self.kind == "multi-class" and count < 2:
            raise CatalogError(
                "labels (1 class)", "must be two or more in a multi-class set", "Write kind: binary",
                code="wrong-number-of-labels",
            )  # fmt: skip
        if self.kind == "multi-class" and self.repeated == "any":
            raise CatalogError(
                "repeated = 'any'", "would give an image several of its classes", "Use majority or first",
                code="not-one-class-per-image",
            )  # fmt: skip
        for rule in rules:
            if not self.tables and (rule.place.columns or not rule.place.pattern):
                raise CatalogError(
                    f"labels.{rule.name}", "needs a table, and there is none", "Give {pattern: ...} of the path",
                    code="table-missing",
                )  # fmt: skip

    def _check_images(self, template: str, tables: bool) -> None:
        pieces = template_fields(template)
        if template.startswith("/") or ".." in template.split("/"):
            rule = "leaves the root"
            raise CatalogError(
                f"images = {quoted(template)}", rule, "Choose a root that holds tables and images",
                code="path-leaves-root",
            )  # fmt: skip
        fields = [name for _, name, _ in pieces if name]
        if fields and any(mark in text for text, _, _ in pieces[1:] for mark in "*?"):
            rule = "has * or ? after the first column"
            raise CatalogError(
                f"images = {quoted(template)}", rule, "Only folders before it may be numbered: images_*/{Image}",
                code="folders-after-column",
            )  # fmt: skip
        if tables and not fields:
            raise CatalogError(
                f"images = {quoted(template)}", "names no column in braces", "Write images/{Column}",
                code="template-without-column",
            )  # fmt: skip
        if not tables and (fields or not template):
            raise CatalogError(
                f"images = {quoted(template)}", "must be a glob where there are no tables", "Write images/*.png",
                code="template-without-table",
            )  # fmt: skip

    @property
    def templates(self) -> tuple[str, ...]:
        """Where the images are: the first that fits. A plain catalogue has them in the column `image`."""
        return texts(self.images, "images") if self.images else ("{image}" if self.tables else "",)

    @property
    def rules(self) -> tuple[LabelRule, ...]:
        """The classes in their order, and how each is read."""
        return read_rules(self.labels, self.kind == "multi-class")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in their order."""
        return tuple(rule.name for rule in self.rules)

    @property
    def table_refs(self) -> tuple[TableRef, ...]:
        """The tables."""
        return read_tables(self.tables)

    @property
    def patient_place(self) -> ColumnTemplate:
        """Where the patient stands."""
        return read_column_template(self.patient, "patient")

    @property
    def split_rule(self) -> SplitRule | None:
        """How images are split; None: not said."""
        return read_split(self.split, bool(self.tables))

    @property
    def attribute_places(self) -> dict[str, ColumnTemplate]:
        """Where each attribute stands."""
        given = self.attributes
        if not isinstance(given, dict):
            given = {name: name for name in texts(given, "attributes")} if given else {}
        return {str(name): read_column_template(place, f"attributes.{name}") for name, place in given.items()}

    def as_dict(self) -> dict[str, Any]:
        """All keys as JSON values; `from_dict` reads them."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


KEYS = tuple(one.name for one in dataclasses.fields(DatasetSpec))


def check_names(dataset_specs: Iterable[DatasetSpec]) -> None:
    """Raises CatalogError where two sets have one name: nothing would tell their heads apart."""
    seen: set[str] = set()
    for dataset_spec in dataset_specs:
        if dataset_spec.name in seen:
            raise CatalogError(
                f"set {dataset_spec.name}", "is the name of two datasets: each needs a head of its own",
                "Rename one of them", code="dataset-name-repeated",
            )  # fmt: skip
        seen.add(dataset_spec.name)


def key_of(error: CatalogError) -> str:
    """The key that an error of `from_dict` is about ("labels" of "set x: labels.Mass = ..."); "": none of them."""
    text = re.sub(r"^set .*?: ", "", error.value)
    text = re.sub(r"^key ", "", text).strip("'")
    found = re.match(r"\w+", text)
    return found[0] if found and found[0] in KEYS else ""
