"""What a batch does. Standard library only: command line, server and check read it without torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError, MedSSLError
from medssl.core.protocol import DataSpec, JobSpec, from_json, to_json
from medssl.core.registry import config_class, load
from medssl.core.schema import as_dict, build
from medssl.jobs.devices import DEVICE
from medssl.pretraining import METHODS
from medssl.studies.comparison.config import ARM_NAME, JOB_ID
from medssl.tasks import TASKS

JOB_KINDS = ("pretrain", "finetune", "probe", "apply", "compare")
EVALUATE = "evaluate"
METHODS_OF = {"probe": "probing", "apply": "apply", "compare": "compare"}  # kinds with one method
TYPES: dict[str, tuple[type, ...]] = {
    "config": (dict,), "data": (str, dict), "partial_weights": (bool,), "groups": (list, tuple),
}  # fmt: skip  # of an item's fields; all others are text
LATER = "@"  # "@other": the model (of `evaluate`: the table) that an earlier item of the batch leaves
STAND_IN = "later"


@dataclass(frozen=True)
class Item:
    """One job of a batch, or one evaluation of a table."""

    name: str
    kind: str
    method: str = ""
    preset: str = ""
    config: dict[str, Any] = field(default_factory=dict)  # complete once checked
    data: dict[str, Any] = field(default_factory=dict)  # of DataSpec
    device: str = ""  # "": the one that is free
    start_from: str = ""
    partial_weights: bool = False
    predictions: str = ""  # evaluate: a table, or "@other"
    groups: tuple[str, ...] = ()  # evaluate: attributes

    @property
    def needs(self) -> set[str]:
        """The items that must be finished before."""
        weights = [arm.get("weights", "") for arm in self.config.get("arms", ())] if self.kind == "compare" else []
        return {text[1:] for text in (self.start_from, self.predictions, *weights) if text.startswith(LATER)}

    def spec(self, found: dict[str, str], device: str) -> JobSpec:
        """The job, with what earlier items left (name -> model) in its place."""
        config = self.config
        if self.kind == "compare":
            arms = [{**arm, "weights": resolved(arm.get("weights", ""), found)} for arm in config["arms"]]
            config = {**config, "arms": arms}
        return JobSpec(
            self.kind, self.method, config, from_json(DataSpec, self.data), name=self.name, device=self.device or device,
            start_from=resolved(self.start_from, found), partial_weights=self.partial_weights,
        )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Jobs one after another on each device."""

    items: tuple[Item, ...]
    devices: tuple[str, ...] = ("auto",)
    reuse: bool = True  # a finished job with the same specification, of an earlier batch say, is not run again


def check_batch(config: dict[str, Any]) -> dict[str, Any]:
    """The batch's tree with every setting of every item; what is complete stays as it is.

    Raises:
        ConfigError: a rule is broken. InputError, CatalogError, WeightsError: an item that could not run, by its name.
    """
    return to_json(read_batch(config))


def read_batch(config: dict[str, Any]) -> Batch:
    """The batch of a tree, complete or not.

    Raises: as `check_batch`.
    """
    known = [f.name for f in dataclasses.fields(Batch)]
    if unknown := [name for name in config if name not in known]:
        raise ConfigError(f"batch setting {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}")
    entries = config.get("items")
    if not isinstance(entries, (list, tuple)) or not entries:
        raise ConfigError(
            f"items = {entries!r}", "is no list of jobs", "Write items: [{name: first, kind: finetune, ...}]"
        )
    items: list[Item] = []
    for entry in entries:
        items.append(_item(entry, [item.name for item in items]))
    devices = tuple(config.get("devices") or Batch.devices)
    for device in devices:
        if device == "none" or not DEVICE.fullmatch(str(device)) or devices.count(device) > 1:
            raise ConfigError(f"devices: {device}", "must be a device, each once", "Write devices: [cpu, cuda:0]")
    return Batch(tuple(items), devices, bool(config.get("reuse", True)))


def resolved(text: str, found: dict[str, str]) -> str:
    """The text, or what the item it names left."""
    return found[text[1:]] if text.startswith(LATER) else text


def _item(entry: Any, before: list[str]) -> Item:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not ARM_NAME.fullmatch(entry["name"]):
        raise ConfigError(
            f"item {entry!r}", "has no name that folders can bear", "Write {name: first, kind: finetune, ...}"
        )
    name, known = entry["name"], [f.name for f in dataclasses.fields(Item)]
    if unknown := [key for key in entry if key not in known]:
        raise ConfigError(f"item {name}: {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}")
    if name in before:
        raise ConfigError(f"item {name}", "is there twice", "Give every item a name of its own")
    kind = entry.get("kind", "")
    if kind not in (*JOB_KINDS, EVALUATE):
        raise ConfigError(
            f"item {name}: kind {kind!r}", "is unknown", f"Use one of {', '.join((*JOB_KINDS, EVALUATE))}"
        )
    entry = {key: value for key, value in entry.items() if value is not None}
    for key, value in entry.items():
        if not isinstance(value, TYPES.get(key, (str,))):
            raise ConfigError(
                f"item {name}: {key} = {value!r}",
                "is of another type",
                "Write {name: first, kind: finetune, data: catalogue.csv, config: {...}}",
            )
    data = {"path": entry["data"]} if isinstance(entry.get("data"), str) else entry.get("data") or {}
    item = Item(**{**entry, "data": data, "groups": tuple(entry.get("groups") or ())})
    if missing := item.needs - set(before):
        raise ConfigError(
            f"item {name}: {LATER}{min(missing)}", "is no earlier item", f"Earlier ones: {', '.join(before) or 'none'}"
        )
    try:
        return _checked_evaluation(item) if kind == EVALUATE else _checked_job(item)
    except MedSSLError as error:
        raise ConfigError(f"item {name}: {error.value}", error.rule, error.remedy) from error


def _checked_evaluation(item: Item) -> Item:
    if not item.predictions:
        raise ConfigError("predictions", "is missing", "Name a table, or @ITEM of this batch")
    return item


def _checked_job(item: Item) -> Item:
    """With its method, its complete configuration and absolute paths."""
    from medssl.jobs.check import checked

    method = item.method or METHODS_OF.get(item.kind, "")
    config = _with_preset(item, method)
    known = not item.start_from or _is_file(item.start_from)
    tried = dataclasses.replace(item, method=method, config=config, preset="")
    stand_in = tried if known else dataclasses.replace(tried, start_from=__file__)
    spec = checked(stand_in.spec({name: STAND_IN for name in item.needs}, "auto"))
    config = _with_references(spec.config, config) if item.kind == "compare" else spec.config
    start_from = spec.start_from if known else item.start_from
    return dataclasses.replace(tried, config=config, data=to_json(spec.data), start_from=start_from)


def _is_file(reference: str) -> bool:
    """Paths are checked now; jobs, and models that are still to come, when their turn comes."""
    job = JOB_ID.fullmatch(reference) and not Path(reference).exists()
    return bool(reference) and not reference.startswith(LATER) and not job


def _with_preset(item: Item, method: str) -> dict[str, Any]:
    if not item.preset:
        return item.config
    if item.kind == "compare":
        return {"preset": item.preset, **item.config}
    table, what = (METHODS, "method") if item.kind == "pretrain" else (TASKS, "task")
    kind = load("medssl.tasks.apply.config:ApplyConfig") if item.kind == "apply" else config_class(table, method, what)
    return as_dict(build(kind, item.config, item.preset))


def _with_references(complete: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """A checked study that still says @ITEM where it said so."""
    wanted = {arm["name"]: arm.get("weights", "") for arm in asked["arms"]}
    arms = [
        {**arm, "weights": wanted[arm["name"]]} if wanted[arm["name"]].startswith(LATER) else arm
        for arm in complete["arms"]
    ]
    return {**complete, "arms": arms}
