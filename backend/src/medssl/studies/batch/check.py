"""A batch's settings, read and checked: complete, with absolute paths. Asked before a job is made, without torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medssl.core.errors import ConfigError, MedSSLError
from medssl.core.protocol import JobSpec, to_json
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.jobs.check import checked
from medssl.jobs.devices import DEVICE
from medssl.pretraining import METHODS
from medssl.studies.batch.config import EVALUATE, JOB_KINDS, LATER, Batch, Item
from medssl.studies.comparison.config import ARM_NAME, JOB_ID
from medssl.tasks import TASKS, only_task
from medssl.tasks.apply.config import ApplyConfig

METHODS_OF = {"apply": "apply", "compare": "compare"}  # kinds without methods or tasks
TYPES: dict[str, tuple[type, ...]] = {
    "config": (dict,), "data": (str, dict), "partial_weights": (bool,), "groups": (list, tuple),
}  # fmt: skip  # of an item's fields; all others are text
STAND_IN = "later"  # for what an earlier item will leave, while an item is checked
NO_DEVICE = "none"  # of the batch's own job: it computes nothing, and must not hold what its items wait for


def check_batch(spec: JobSpec) -> JobSpec:
    """The specification with every setting of every item, and without a device.

    Raises: as `complete_batch`.
    """
    return dataclasses.replace(spec, config=complete_batch(spec.config), device=NO_DEVICE)


def complete_batch(config: dict[str, Any]) -> dict[str, Any]:
    """The batch's tree with every setting of every item; what is complete stays as it is.

    Raises:
        ConfigError: a rule is broken. InputError, CatalogError, WeightsError: an item that could not run, by its name.
    """
    return to_json(read_batch(config))


def read_batch(config: dict[str, Any]) -> Batch:
    """The batch of a tree, complete or not.

    Raises: as `complete_batch`.
    """
    known = [f.name for f in dataclasses.fields(Batch)]
    if unknown := [name for name in config if name not in known]:
        raise ConfigError(
            f"batch setting {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}", code="setting-unknown"
        )
    entries = config.get("items")
    if not isinstance(entries, (list, tuple)) or not entries:
        raise ConfigError(
            f"items = {entries!r}", "is no list of jobs", "Write items: [{name: first, kind: finetune, ...}]",
            code="batch-without-items",
        )  # fmt: skip
    items: list[Item] = []
    for entry in entries:
        items.append(_item(entry, [item.name for item in items]))
    devices = tuple(config.get("devices") or Batch.devices)
    for device in devices:
        if device == "none" or not DEVICE.fullmatch(str(device)) or devices.count(device) > 1:
            raise ConfigError(
                f"devices: {device}", "must be a device, each once", "Write devices: [cpu, cuda:0]",
                code="devices-not-exact",
            )  # fmt: skip
    return Batch(tuple(items), devices, bool(config.get("reuse", True)))


def _item(entry: Any, before: list[str]) -> Item:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not ARM_NAME.fullmatch(entry["name"]):
        raise ConfigError(
            f"item {entry!r}", "has no name that can be a folder's", "Write {name: first, kind: finetune, ...}",
            code="name-not-a-folder-name",
        )  # fmt: skip
    name, known = entry["name"], [f.name for f in dataclasses.fields(Item)]
    if unknown := [key for key in entry if key not in known]:
        raise ConfigError(
            f"item {name}: {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}", code="setting-unknown"
        )
    if name in before:
        raise ConfigError(f"item {name}", "is there twice", "Give every item a name of its own", code="item-repeated")
    kind = entry.get("kind", "")
    if kind not in (*JOB_KINDS, EVALUATE):
        raise ConfigError(
            f"item {name}: kind {kind!r}", "is unknown", f"Use one of {', '.join((*JOB_KINDS, EVALUATE))}",
            code="item-kind-unknown",
        )  # fmt: skip
    entry = {key: value for key, value in entry.items() if value is not None}
    for key, value in entry.items():
        if not isinstance(value, TYPES.get(key, (str,))):
            raise ConfigError(
                f"item {name}: {key} = {value!r}", "has the wrong type",
                "Write {name: first, kind: finetune, data: catalogue.csv, config: {...}}", code="setting-type",
            )  # fmt: skip
    data = {"path": entry["data"]} if isinstance(entry.get("data"), str) else entry.get("data") or {}
    item = Item(**{**entry, "data": data, "groups": tuple(entry.get("groups") or ())})
    if missing := item.needs - set(before):
        raise ConfigError(
            f"item {name}: {LATER}{min(missing)}", "is no earlier item", f"Earlier ones: {', '.join(before) or 'none'}",
            code="item-unknown",
        )  # fmt: skip
    try:
        return _checked_evaluation(item) if kind == EVALUATE else _checked_job(item)
    except MedSSLError as error:
        raise ConfigError(f"item {name}: {error.value}", error.rule, error.remedy, code=error.code) from error


def _checked_evaluation(item: Item) -> Item:
    if not item.predictions:
        raise ConfigError("predictions", "is missing", "Name a table, or @ITEM of this batch", code="data-missing")
    return item


def _checked_job(item: Item) -> Item:
    """With its method, its complete configuration and absolute paths."""
    method = item.method or METHODS_OF.get(item.kind) or only_task(item.kind)
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
    kind = ApplyConfig if item.kind == "apply" else config_class(table, method, what)
    return as_dict(build(kind, item.config, item.preset))


def _with_references(complete: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """A checked study that still says @ITEM where it said so."""
    wanted = {arm["name"]: arm.get("weights", "") for arm in asked["arms"]}
    arms = [
        {**arm, "weights": wanted[arm["name"]]} if wanted[arm["name"]].startswith(LATER) else arm
        for arm in complete["arms"]
    ]
    return {**complete, "arms": arms}
