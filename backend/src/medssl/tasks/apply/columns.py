"""What the columns of a predictions table are: a fine-tuned model's classes, or what the heads of an Ark say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol, cast

from medssl.core.capabilities import HEADS
from medssl.core.errors import WeightsError
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry
from medssl.images.volume import Volume
from medssl.inference.capabilities import can, refusal
from medssl.inference.classification.ark_heads import predict_findings
from medssl.inference.classification.findings import Finding, names_of, plain_name, read_findings
from medssl.inference.classification.predict import check_predictor, chosen_test_time, predict_images, view_doubts
from medssl.inference.classification.probe_files import Probe
from medssl.inference.classification.views import Prediction
from medssl.networks.network import Network
from medssl.tasks.apply.config import ApplyConfig

UNKNOWN = float("nan")


class Columns(Protocol):
    """A model's answers as columns.

    Attributes:
        names: of the columns.
        labelled: those of them whose labels the catalogue may know.
        used: columns of the catalogue that these labels come from.
        remarks: what should be known of all answers.
    """

    names: list[str]
    labelled: list[str]
    used: list[str]
    remarks: tuple[str, ...]

    def predict(self, volume: Volume) -> Prediction:
        """The probabilities of one image."""

    def label(self, entry: Entry, name: str) -> float:
        """What is true of a column: 1, 0, -1 (uncertain), NaN (unknown)."""

    def about(self) -> dict[str, Any]:
        """What the table's record should tell of the columns."""


def columns_of(net: Network | Probe, catalog: Catalog, config: ApplyConfig, exclusive: Collection[str] = ()) -> Columns:
    """What a model says of a catalogue's images.

    Args:
        net: the model.
        catalog: the images.
        config: findings, heads, views.
        exclusive: columns of the catalogue that hold one of several classes in words, see `exclusive_columns`.

    Raises:
        WeightsError: a model that predicts nothing, no head that knows a finding, or findings asked of a model without heads.
    """
    test_time = "" if config.test_time == "auto" else config.test_time
    findings, heads = listed(config.findings), listed(config.heads)
    if can(net.plan, HEADS):
        assert isinstance(net, Network)  # a probe has no heads
        return HeadColumns(net, read_findings(net.sets, findings, heads), catalog, exclusive, test_time, bool(findings))
    if findings or heads:
        lacking = refusal(net.plan, HEADS)
        value = f"model of method {net.plan.method!r} asked for {', '.join(findings + heads)}"
        raise WeightsError(value, lacking.rule, f"{lacking.remedy}, or ask for none", code="no-named-heads")
    return ClassColumns(net, test_time)


def exclusive_columns(data: DataSpec) -> list[str]:
    """The columns in which datasets whose classes exclude each other hold them."""
    return [one["name"] for one in data.sets if one["kind"] == "multi-class"]


def listed(text: str) -> list[str]:
    """The parts of "Edema; TB=shenzhen:TB"."""
    return [part.strip() for part in text.split(";") if part.strip()]


class ClassColumns:
    """The classes of a fine-tuned model or a probe; labels are the catalogue's columns of the same names.

    Raises:
        WeightsError: a model of another task.
        ConfigError: see `chosen_test_time`.
    """

    def __init__(self, net: Network | Probe, test_time: str) -> None:
        self._net, self._test_time = net, test_time
        plan = check_predictor(net)
        chosen_test_time(test_time, plan)
        self.names = self.labelled = self.used = list(plan.task["classes"])
        self.remarks = view_doubts(test_time, plan)

    def predict(self, volume: Volume) -> Prediction:
        """The classes' probabilities."""
        return predict_images([volume], self._net, self._test_time)[0]

    def label(self, entry: Entry, name: str) -> float:
        """The column of this name."""
        return entry.labels.get(name, UNKNOWN)

    def about(self) -> dict[str, Any]:
        """Nothing: the model's header tells all."""
        return {}


class HeadColumns:
    """Findings as the heads of a network see them.

    Labels are the catalogue's columns that name the finding or a synonym, the first of these that an image has; also columns
    that hold one of several classes in words, where the dataset spec says so or they are named like such a head.

    Args:
        net: the network.
        findings: the columns, fixed before any image is seen.
        catalog: the images.
        exclusive: see `columns_of`.
        test_time: see `predict_heads`.
        asked: whether these findings were asked for, or are all that the heads know.
    """

    remarks: tuple[str, ...] = ()

    def __init__(
        self,
        net: Network,
        findings: Sequence[Finding],
        catalog: Catalog,
        exclusive: Collection[str],
        test_time: str,
        asked: bool,
    ) -> None:
        self._net, self._findings, self._test_time, self._asked = net, findings, test_time, asked
        numbers = {plain_name(name): name for entry in catalog for name in entry.labels}
        words = _class_words(net.sets, catalog, exclusive)
        wanted = {finding.name: names_of(finding.finding) for finding in findings}
        self._numbers = {name: [numbers[n] for n in known if n in numbers] for name, known in wanted.items()}
        self._words = {
            name: {column: set(known) for column, said in words.items() if said & set(known)}
            for name, known in wanted.items()
        }
        self.names = [finding.name for finding in findings]
        self.labelled = [name for name in self.names if self._numbers[name] or self._words[name]]
        self.used = sorted({column for columns in self._numbers.values() for column in columns})

    def predict(self, volume: Volume) -> Prediction:
        """The findings' probabilities."""
        return predict_findings([volume], self._net, self._findings, self._test_time)[0]

    def label(self, entry: Entry, name: str) -> float:
        """The first of the finding's columns that knows it."""
        stated = [entry.labels.get(column, UNKNOWN) for column in self._numbers[name]]
        for column, known in self._words[name].items():
            said = plain_name(entry.attributes.get(column, ""))
            stated.append(float(said in known) if said else UNKNOWN)
        return next((value for value in stated if value == value), UNKNOWN)

    def about(self) -> dict[str, Any]:
        """Which heads say what, whether that was asked for by name, what sets the model knows, and the job that trained it."""
        columns = {one.name: one.text(self._net.sets).removeprefix(f"{one.name}: ") for one in self._findings}
        job = cast(Plan, self._net.plan).provenance.get("job", "")
        return {"columns": columns, "asked": self._asked, "sets": [one["name"] for one in self._net.sets], "job": job}


def _class_words(sets: Sequence[dict[str, Any]], catalog: Catalog, exclusive: Collection[str]) -> dict[str, set[str]]:
    """Columns of the catalogue that hold one of several classes in words, and their words."""
    heads = {plain_name(name) for name in (*exclusive, *(one["name"] for one in sets if one["kind"] == "multi-class"))}
    columns = {name for entry in catalog for name in entry.attributes if plain_name(name) in heads}
    return {column: {plain_name(entry.attributes.get(column, "")) for entry in catalog} - {""} for column in columns}
