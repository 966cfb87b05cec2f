"""Dataset specs as YAML files: those of users, the ready-made ones of public datasets, and a template."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from medssl.core.errors import CatalogError, NotFoundError, closest_name
from medssl.core.files import expanded
from medssl.datasets.spec.rules import quoted
from medssl.datasets.spec.spec import DatasetSpec

SHIPPED = Path(__file__).parent / "ready_made"
READY_MADE = ("chestxray14", "chexpert", "mimic-cxr", "rsna-pneumonia", "vindr-cxr", "shenzhen")
KEYS = {one.name for one in dataclasses.fields(DatasetSpec)}
LARGEST = 2**20  # bytes of a file
DEEPEST = 16  # brackets in brackets; a dataset spec needs five
ROOT_LINE = re.compile(r"^root:[^\n]*$", re.MULTILINE)


def read_dataset_spec(path: Path, root: Path | None = None) -> DatasetSpec:
    """Read a YAML or JSON file; a relative root is relative to the file. `root` replaces the file's.

    Raises:
        CatalogError: no such file, no YAML, or a dataset spec that breaks a rule.
    """
    return parse_dataset_spec(_text_of(path), path.absolute().parent, root, path.name, recognised)


def _text_of(path: Path) -> str:
    """The text of a regular file of no more than LARGEST bytes: a pipe would be waited for, a device never ends."""
    refusal = "Give a dataset spec in YAML, see `medssl data spec`"
    try:
        if not path.is_file():
            raise CatalogError(path, "cannot be read (it is no file)", refusal)
        if path.stat().st_size > LARGEST:
            raise CatalogError(
                path, f"is no dataset spec: it has more than {LARGEST:,} bytes", refusal, code="not-a-dataset-spec"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogError(path, "cannot be read (its bytes are no UTF-8)", refusal) from error
    except OSError as error:
        raise CatalogError(path, f"cannot be read ({error.strerror})", refusal) from error


def recognised(tree: Any, name: str) -> None:
    """Refuse what is no dataset spec before any rule quotes it: whoever asks for a file by its path may not be allowed to read it.

    Raises:
        CatalogError: fewer than two keys are those of a dataset spec.
    """
    if not isinstance(tree, dict) or len(KEYS & tree.keys()) < 2:
        rule = "is no dataset spec: keys such as name, kind and labels are not there"
        raise CatalogError(name, rule, "`medssl data spec` writes one to begin with", code="not-a-dataset-spec")


def parse_dataset_spec(
    text: str,
    folder: Path | None = None,
    root: Path | None = None,
    name: str = "dataset spec",
    check: Callable[[Any, str], None] = lambda tree, name: None,
) -> DatasetSpec:
    """Read the text of a file that lies in `folder`; without one (it lies elsewhere) a relative root becomes "".

    Raises:
        CatalogError: see `read_dataset_spec`.
    """
    try:
        tree = yaml.load(text, Loader=_Texts)
    except yaml.YAMLError as error:
        raise CatalogError(
            name, f"is no YAML ({_problem(error)})", "Quote texts that hold : # or {", code="not-yaml"
        ) from error
    check(tree, name)
    if isinstance(tree, dict) and "inverted" in tree:
        tree["inverted"] = {"true": True, "false": False, "": False}.get(
            str(tree["inverted"]).lower(), tree["inverted"]
        )
    dataset_spec = DatasetSpec.from_dict(tree)
    own = expanded(dataset_spec.root)
    if root is None and folder is None and not own.is_absolute():
        return dataclasses.replace(dataset_spec, root="")
    return dataclasses.replace(dataset_spec, root=str((root or (folder or own) / own).resolve()))


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong and where, without the lines around it: they may be of any file."""
    said = getattr(error, "problem", None) or "unreadable characters"
    for word, name in (("in", "problem_mark"), ("for what begins in", "context_mark")):
        if (mark := getattr(error, name, None)) is not None:
            said += f" {word} line {mark.line + 1}, column {mark.column + 1}"
    return said


def ready_made() -> dict[str, DatasetSpec]:
    """Dataset specs of public datasets by name; their roots are empty: only the user knows them."""
    made = {name: read_dataset_spec(SHIPPED / f"{name}.yaml") for name in READY_MADE}
    return {name: dataclasses.replace(one, root="") for name, one in made.items()}


def ready_made_text(name: str, root: Path | None = None) -> str:
    """A ready-made dataset spec with its comments, as a file for `root`.

    Raises:
        NotFoundError: no such set.
    """
    if name not in READY_MADE:
        rule = f"is no ready-made dataset spec{closest_name(name, READY_MADE)}"
        raise NotFoundError(name, rule, f"There are {', '.join(READY_MADE)}", code="dataset-spec-unknown")
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    return text if root is None else ROOT_LINE.sub(lambda _: f"root: {json.dumps(str(root), ensure_ascii=False)}", text)


def template() -> str:
    """A dataset spec that explains every key."""
    return (SHIPPED / "template.yaml").read_text(encoding="utf-8")


def to_yaml(dataset_spec: DatasetSpec) -> str:
    """The dataset spec as a YAML file, without the keys that say what holds anyway."""
    usual = {one.name: one.default for one in dataclasses.fields(DatasetSpec)}
    values = {key: value for key, value in dataset_spec.as_dict().items() if value not in (usual[key], {}, [], "")}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


class _Texts(yaml.BaseLoader):
    """Every value as it is written (a patient 0012 is not 10, a class No is not false); no key twice, no aliases (a few
    lines of them are gigabytes), nothing nested without end."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not read: write it out", self.peek_event().start_mark
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(
                None, None, f"more than {DEEPEST} levels deep", self.peek_event().start_mark
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = next(key for n, key in enumerate(keys) if key in keys[:n])
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {quoted(twice)} is there twice", node.start_mark
            )
        return mapping
