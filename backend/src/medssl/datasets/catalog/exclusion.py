"""Which images of a catalogue are left out: lateral views, for instance."""

from __future__ import annotations

from collections.abc import Sequence

from medssl.core.errors import CatalogError, counted
from medssl.datasets.entry import SPLIT_WORDS, Entry, number_text

NAMED = 10  # values that a note names


def without(entries: Sequence[Entry], rules: Sequence[str]) -> list[Entry]:
    """The entries that no rule "column=value" leaves out; columns and values whatever their case, numbers by value.

    An empty value stands for empty fields. Columns are those of the table (labels and attributes), patient, split, modality
    and name.

    Raises:
        CatalogError: a rule without an equals sign, an unknown column, or nothing is left.
    """
    kept = list(entries)
    for rule in rules:
        column, equals, value = (part.strip() for part in rule.partition("="))
        if not equals or not column:
            raise CatalogError(
                f"exclude {rule!r}", "names no column and value", "Write view=LATERAL", code="exclusion-malformed"
            )
        known = {name.casefold(): name for entry in entries for name in _fields(entry)}
        if column.casefold() not in known:
            raise CatalogError(
                f"exclude {rule!r}",
                f"names no column of this training set (there are: {', '.join(known.values())})",
                "Use one of them; folders and single images have no columns of their own",
                code="column-missing",
            )
        name = known[column.casefold()]
        unwanted = SPLIT_WORDS.get(value.lower(), value) if name == "split" else value
        kept = [entry for entry in kept if not _same(_fields(entry).get(name, ""), unwanted)]
    if entries and not kept:
        _check_split(entries, rules)
        raise CatalogError(
            f"exclude {', '.join(rules)}",
            f"leaves none of {counted(len(entries), 'image')}",
            "Exclude less",
            code="no-images-left",
        )
    return kept


def idle_rules(entries: Sequence[Entry], rules: Sequence[str]) -> list[str]:
    """A note on each rule whose value no image of `entries` has, with the values that there are; of splits nothing is said."""
    notes = []
    for rule in rules:
        column, _, value = (part.strip() for part in rule.partition("="))
        found = {text for one in entries for name, text in _fields(one).items() if name.casefold() == column.casefold()}
        if column.casefold() != "split" and not any(_same(text, value) for text in found):
            there = sorted(text or "nothing" for text in found)
            more = ", ..." if len(there) > NAMED else ""
            notes.append(
                f"exclude {rule!r} leaves out nothing: no image has this value (there are: {', '.join(there[:NAMED])}{more})"
            )
    return notes


def _check_split(entries: Sequence[Entry], rules: Sequence[str]) -> None:
    """Where rules leave a single split, as --split writes them, and no image is of it."""
    pairs = [[part.strip() for part in rule.partition("=")] for rule in rules]
    wanted = set(SPLIT_WORDS.values()) - {SPLIT_WORDS.get(value.lower(), value) for _, _, value in pairs}
    if len(wanted) == 1 and all(column.casefold() == "split" for column, _, _ in pairs):
        there = ", ".join(sorted({entry.split for entry in entries} - {""})) or "none at all"
        raise CatalogError(
            f"split {wanted.pop()}", f"has none of these {counted(len(entries), 'image')} (their splits: {there})",
            "Name the column of the split in the dataset spec (in a table: split), or leave --split out",
            code="split-empty",
        )  # fmt: skip


def _fields(entry: Entry) -> dict[str, str]:
    labels = {name: number_text(value) for name, value in entry.labels.items()}
    own = {"patient": entry.patient, "split": entry.split, "modality": entry.modality, "name": entry.name}
    return {**entry.attributes, **labels, **own}


def _same(field: str, value: str) -> bool:
    try:
        return float(field) == float(value)
    except ValueError:
        return field.casefold() == value.casefold()
