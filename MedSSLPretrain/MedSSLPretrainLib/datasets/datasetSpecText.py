"""The values of a dataset spec as a line of text, and back: plain words where they are enough, JSON where not."""

from __future__ import annotations

import json
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from slicer.i18n import tr as _

from medssl.core.errors import CatalogError
from medssl.datasets.spec.spec import DatasetSpec

STRUCTURED = ("tables", "patient", "split", "attributes", "only", "exclude")  # may be written as JSON
SPECIAL = frozenset(',|="[]{}')  # a word with one of these is written as JSON


def textOf(value: Any, shape: str) -> str:
    """A word, `a, b` for a list, `sex=Sex, view=AP|PA` for a mapping; JSON for what these cannot say.

    Args:
        value: of a dataset spec.
        shape: that the reader expects: see `valueOf`.
    """
    if shape in ("text", "word") and isinstance(value, (str, int, float)):
        return str(value)
    if shape in ("list", "mapping") and isinstance(value, (list, tuple)) and all(map(_isWord, value)):
        return ", ".join(value)
    if shape == "mapping" and isinstance(value, dict):
        pairs = [(key, _wordsOf(words)) for key, words in value.items()]
        if all(_isWord(key) and words for key, words in pairs):
            return ", ".join(f"{key}={words}" for key, words in pairs)
    return json.dumps(value, ensure_ascii=False)


def valueOf(text: str, shape: str) -> Any:
    """What a line means.

    Args:
        text: as `textOf` writes it. JSON that is none stays a text, which `complete` refuses.
        shape: of the value: "text", "word" (a text, or JSON), "list", "mapping".
    """
    text = text.strip()
    if shape == "text":
        return text
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if shape == "word":
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if shape == "list" or not any("=" in part for part in parts):
        return parts
    pairs = [tuple(side.strip() for side in part.partition("=")[::2]) for part in parts]
    return {key: words.split("|") if "|" in words else words for key, words in pairs}


def complete(values: dict[str, Any]) -> DatasetSpec:
    """The dataset spec that a form holds.

    Raises:
        CatalogError: what `DatasetSpec.from_dict` refuses, JSON that is none, or no folder; `key_of` names the field.
    """
    for key in STRUCTURED:
        value = values.get(key)
        if isinstance(value, str) and value.startswith(("[", "{")):
            raise CatalogError(f"{key} = {value}", _("begins like JSON and is none"), _("Close brackets and quotes"))
    spec = DatasetSpec.from_dict(values)
    root = spec.root
    if not (PurePosixPath(root).is_absolute() or PureWindowsPath(root).is_absolute()):
        rule = _("is no complete path") if root else _("is missing")
        raise CatalogError(
            f"set {spec.name}: root",
            rule,
            _("Choose the folder that holds images and tables"),
            code="root-not-a-folder",
        )
    return spec


def _isWord(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.strip() and not SPECIAL & set(value)


def _wordsOf(value: Any) -> str:
    """`AP|PA`; "" where only JSON can say it."""
    words = value if isinstance(value, (list, tuple)) and len(value) > 1 else [value]
    return "|".join(words) if all(map(_isWord, words)) else ""
