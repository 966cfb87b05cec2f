"""Which heads of an Ark know a finding, by its name alone, before any image is looked at. Standard library only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medssl.core.errors import WeightsError

# A finding's own name, and what sets call it. What sets mean differently stays apart: a lesion is a mass or a nodule, a tumour
# is neither, and an infiltrate is not every opacity. "PE" is VinDr-CXR's pleural effusion.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("Atelectases",),
    "Cardiomegaly": ("Enlarged Heart",),
    "Consolidation": ("Airspace Consolidation",),
    "Edema": ("Oedema", "Pulmonary Edema", "Lung Edema", "Pulmonary Oedema"),
    "Emphysema": ("Pulmonary Emphysema",),
    "Enlarged Cardiomediastinum": ("Widened Mediastinum",),
    "Fibrosis": ("Pulmonary Fibrosis",),
    "Hernia": ("Hiatal Hernia",),
    "Infiltration": ("Infiltrate",),
    "Lung Opacity": ("Opacity", "Airspace Opacity"),
    "Lung Tumor": ("Lung Tumour",),
    "No Finding": ("No Findings", "Normal"),
    "Other Diseases": ("Other Disease",),
    "Pleural Effusion": ("Effusion", "PE", "Pleural Effusions"),
    "Pleural Thickening": ("Thickened Pleura",),
    "Pneumothorax": ("PTX",),
    "Support Devices": ("Support Device", "Devices"),
    "Tuberculosis": ("TB", "Pulmonary Tuberculosis"),
}
HeadClass = tuple[int, int]  # number of a head, number of its class


@dataclass(frozen=True)
class Finding:
    """Something that is predicted.

    Attributes:
        name: of its column.
        finding: what it is, under which a catalogue may have its labels.
        members: the heads' classes whose probabilities are averaged.
    """

    name: str
    finding: str
    members: tuple[HeadClass, ...]

    def text(self, sets: Sequence[Mapping[str, Any]]) -> str:
        """Which heads say it: "Pleural Effusion: mean of chexpert (Pleural Effusion) and chestxray14 (Effusion)"."""
        parts = [f"{sets[head]['name']} ({sets[head]['classes'][number]})" for head, number in self.members]
        said = parts[0] if len(parts) == 1 else f"mean of {', '.join(parts[:-1])} and {parts[-1]}"
        return f"{self.name}: {said}"


def plain_name(name: str) -> str:
    """A name without regard to case, underscores, hyphens and spaces."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def names_of(finding: str) -> tuple[str, ...]:
    """What a finding is called, as `plain_name` texts: its given name first."""
    own = plain_name(finding)
    groups = [[plain_name(name) for name in (canonical, *others)] for canonical, others in SYNONYMS.items()]
    return tuple(dict.fromkeys([own, *(name for group in groups if own in group for name in group)]))


def find_heads(sets: Sequence[Mapping[str, Any]], finding: str, heads: Sequence[str] = ()) -> list[HeadClass]:
    """The heads that know a finding: one class of each at most, under the given name rather than under a synonym.

    Args:
        sets: an Ark's, with `name` and `classes`, in the order of its heads.
        finding: a name, "TB"; or which heads' classes, "shenzhen:TB|vindr-cxr:Tuberculosis", with or without "TB=" before.
        heads: only these, by name; (): all.

    Raises:
        WeightsError: no head knows it, or an unknown head or class is named.
    """
    return list(_read(sets, finding, heads).members)


def read_findings(
    sets: Sequence[Mapping[str, Any]], findings: Sequence[str] = (), heads: Sequence[str] = ()
) -> list[Finding]:
    """What is to be predicted: the findings asked for, or else every class of the heads under the name `head.class`.

    Args:
        sets: see `find_heads`.
        findings: as `find_heads` takes them.
        heads: only these, by name; (): all.

    Raises:
        WeightsError: see `find_heads`; also where two findings would have one name.
    """
    chosen = _chosen(sets, heads)
    if not findings:
        return [
            Finding(f"{sets[head]['name']}.{name}", name, ((head, number),))
            for head in chosen
            for number, name in enumerate(sets[head]["classes"])
        ]
    read = [_read(sets, text, heads) for text in findings]
    for n, one in enumerate(read):
        if any(other.name == one.name for other in read[:n]):
            raise WeightsError(
                f"finding {one.name!r}",
                "is asked for twice",
                "Ask for it once, or write Name=head:class",
                code="finding-repeated",
            )
    return read


def _read(sets: Sequence[Mapping[str, Any]], text: str, heads: Sequence[str]) -> Finding:
    text = text.strip()
    chosen = _chosen(sets, heads)
    name, equals, members = (part.strip() for part in text.partition("="))
    if equals or (_head(sets, text.partition(":")[0]) is not None and ":" in text):
        named = [_member(sets, one) for one in (members if equals else text).split("|")]
        finding = name if equals else sets[named[0][0]]["classes"][named[0][1]]
        return Finding(name if equals else text, finding, tuple(dict.fromkeys(named)))
    wanted = names_of(text)
    found = [(head, number) for head in chosen if (number := _class(sets[head], wanted)) is not None]
    if not found:
        classes = [name for head in chosen for name in sets[head]["classes"]]
        known = ", ".join(sets[head]["name"] for head in chosen)
        remedy = f"{_nearest(text, classes)}Predict without findings to see every class, or write {text}=HEAD:CLASS"
        raise WeightsError(
            f"finding {text!r}", f"is a class of no head (heads: {known})", remedy, code="finding-unknown"
        )
    return Finding(text, text, tuple(found))


def _chosen(sets: Sequence[Mapping[str, Any]], heads: Sequence[str]) -> list[int]:
    """Numbers of the heads of these names, in the model's order."""
    if not sets:
        raise WeightsError(
            "model",
            "has no head",
            "Choose a model with heads, or make a probe from its embeddings",
            code="model-unsuitable",
        )
    numbers = [_known_head(sets, name) for name in heads]
    return sorted(set(numbers)) if heads else list(range(len(sets)))


def _member(sets: Sequence[Mapping[str, Any]], text: str) -> HeadClass:
    """A class of a head, "shenzhen:TB"."""
    head, colon, name = (part.strip() for part in text.partition(":"))
    number = _known_head(sets, head)
    classes = sets[number]["classes"]
    if not colon and len(classes) == 1:
        return number, 0
    found = _class(sets[number], (plain_name(name),))
    if found is None:
        known = ", ".join(classes)
        raise WeightsError(
            f"class {name!r} of head {sets[number]['name']!r}", f"is unknown (it knows {known})",
            f"{_nearest(name, classes)}Write HEAD:CLASS", code="class-unknown")  # fmt: skip
    return number, found


def _known_head(sets: Sequence[Mapping[str, Any]], name: str) -> int:
    number = _head(sets, name)
    if number is None:
        known = [one["name"] for one in sets]
        remedy = f"{_nearest(name, known)}Use one of these"
        raise WeightsError(
            f"head {name.strip()!r}", f"is none of this model's ({', '.join(known)})", remedy, code="head-unknown"
        )
    return number


def _head(sets: Sequence[Mapping[str, Any]], name: str) -> int | None:
    return next((n for n, one in enumerate(sets) if plain_name(one["name"]) == plain_name(name)), None)


def _class(one: Mapping[str, Any], wanted: Sequence[str]) -> int | None:
    """The class of a head with one of these plain names, the first name first."""
    known = [plain_name(name) for name in one["classes"]]
    return next((known.index(name) for name in wanted if name in known), None)


def _nearest(name: str, known: Sequence[str]) -> str:
    """A sentence with names like it, or none."""
    close = difflib.get_close_matches(plain_name(name), [plain_name(one) for one in known], n=2, cutoff=0.6)
    shown = [next(one for one in known if plain_name(one) == found) for found in dict.fromkeys(close)]
    return f"Did you mean {' or '.join(map(repr, shown))}? " if shown else ""
