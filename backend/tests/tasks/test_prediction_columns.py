"""Labels of a catalogue under the names of findings."""

from __future__ import annotations

from pathlib import Path

from ark_nets import make_ark
from refusals import refused

from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import Catalog
from medssl.datasets.entry import Entry
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.tasks.apply.columns import columns_of, exclusive_columns, listed
from medssl.tasks.apply.config import ApplyConfig

NAN = float("nan")


def catalog(*known):
    """Entries of labels (numbers) and attributes (texts)."""
    return Catalog(
        tuple(
            Entry(
                Path(f"{n}.png"), f"p{n}",
                labels={name: value for name, value in one.items() if not isinstance(value, str)},
                attributes={name: value for name, value in one.items() if isinstance(value, str)},
            )
            for n, one in enumerate(known)
        )
    )  # fmt: skip


def labels(entries, name, findings="", exclusive=()):
    columns = columns_of(make_ark(), entries, ApplyConfig(findings=findings), exclusive)
    return columns, [columns.label(entry, name) for entry in entries]


def test_the_given_name_comes_before_synonyms_image_by_image():
    entries = catalog(
        {"PE": 1.0, "effusion": 0.0}, {"PE": 1.0, "effusion": NAN}, {"PE": NAN, "Pleural_Effusion": 0.0}, {"age": 40.0}
    )
    columns, found = labels(entries, "Effusion", "Effusion")
    assert found[:3] == [0.0, 1.0, 0.0] and found[3] != found[3]
    assert columns.used == ["PE", "Pleural_Effusion", "effusion"] and columns.labelled == ["Effusion"]


def test_classes_in_words_count_where_they_are_declared_so():
    entries = catalog({"mine": "Tuberculosis"}, {"mine": "healthy"}, {"mine": ""}, {"other": "TB"})
    columns, found = labels(entries, "TB", "TB")
    assert columns.labelled == [] and all(value != value for value in found)
    data = DataSpec(sets=({"name": "mine", "kind": "multi-class"}, {"name": "other", "kind": "multi-label"}))
    columns, found = labels(entries, "TB", "TB", exclusive_columns(data))
    assert columns.labelled == ["TB"] and found[:2] == [1.0, 0.0] and all(value != value for value in found[2:])


def test_a_finding_that_no_word_names_has_no_labels():
    columns, _ = labels(catalog({"south": "Normal"}, {"south": "Other"}), "TB", "TB; Bright; No Finding")
    assert columns.labelled == ["No Finding"]  # none is bright: the column may not know that class


def test_models_without_heads_are_not_asked_for_findings():
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0)
    net.plan = Plan("swin-classifier", {}, task={"name": "classification", "classes": ["sick"]})
    assert columns_of(net, catalog(), ApplyConfig()).names == ["sick"]
    with refused("no-named-heads", names="asked for TB, west"):
        columns_of(net, catalog(), ApplyConfig(findings="TB", heads="west"))
    assert listed(" TB; A=b:c|d:e ;; ") == ["TB", "A=b:c|d:e"]
