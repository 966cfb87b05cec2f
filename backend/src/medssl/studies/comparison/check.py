"""A comparison's settings, read and checked: complete, with absolute paths. Asked before a job is made, without torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from medssl.core.errors import ConfigError, WeightsError, be, counted
from medssl.core.files import expanded
from medssl.core.protocol import JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.datasets.submitted_sets import with_complete_sets
from medssl.jobs.devices import DEVICE
from medssl.jobs.models.packaged_weights import packaged_weights
from medssl.studies.comparison.config import (  # fmt: skip
    ARM_NAME,
    BUDGETS,
    DEFAULT_REPLICATES,
    DEFAULT_SEEDS,
    JOB_ID,
    PASSES,
    SEED_LIMIT,
    SIZES,
    STEPS,
    UNTRAINED,
    Arm,
    Study,
    metrics_of,
)
from medssl.tasks import TASKS


def check_compare(spec: JobSpec) -> JobSpec:
    """The specification with every setting of every arm.

    Raises: as `check_study`. CatalogError: a dataset spec that cannot be used.
    """
    return dataclasses.replace(spec, config=check_study(spec.config), data=with_complete_sets(spec.data))


def check_study(config: dict[str, Any]) -> dict[str, Any]:
    """The study's tree with every setting of every arm and absolute paths; what is complete stays as it is.

    Raises:
        ConfigError: a rule is broken. WeightsError: a weight file that does not exist. NotFoundError: an unknown task.
    """
    study = read_study(config)
    tree = {field.name: getattr(study, field.name) for field in dataclasses.fields(Study)}
    tree[tree.pop("unit")] = list(tree.pop("sizes"))
    tree["arms"] = [dataclasses.asdict(arm) for arm in study.arms]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in tree.items()}


def read_study(config: dict[str, Any]) -> Study:
    """The study of a tree, complete or not.

    Raises: as `check_study`.
    """
    known = [f.name for f in dataclasses.fields(Study) if f.name not in ("unit", "sizes")] + list(SIZES)
    if unknown := [name for name in config if name not in known]:
        raise ConfigError(
            f"comparison setting {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}", code="setting-unknown"
        )
    task = config.get("task", "")
    if task not in TASKS:
        raise ConfigError(f"task {task!r}", "is not a task", f"Use one of {', '.join(TASKS)}", code="task-unknown")
    unit, sizes = _sizes(config)
    arms = tuple(_arm(entry, config, task) for entry in _list(config, "arms"))
    _check_names(arms)
    return Study(
        task, arms, sizes, unit, _seeds(config.get("seeds", DEFAULT_SEEDS)), _metric(config, task),
        _reference(config, arms, task), str(config.get("preset", "default")), dict(config.get("config") or {}),
        tuple(str(group) for group in _list(config, "groups")), str(config.get("train_on", "")),
        _whole(config, "replicates", DEFAULT_REPLICATES, 0), _whole(config, "split_seed", 0, 0),
        _devices(config), bool(config.get("keep_models", False)), _budget(config, task),
    )  # fmt: skip


def _arm(entry: Any, config: dict[str, Any], task: str) -> Arm:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ConfigError(
            f"arm {entry!r}", "must be a mapping with a name", "Write {name: genesis, weights: model.safetensors}",
            code="setting-type",
        )  # fmt: skip
    known = [f.name for f in dataclasses.fields(Arm)]
    if unknown := [name for name in entry if name not in known]:
        raise ConfigError(
            f"arm {entry['name']}: {unknown[0]}", "is unknown", f"Known here: {', '.join(known)}",
            code="setting-unknown",
        )  # fmt: skip
    if not ARM_NAME.fullmatch(entry["name"]):
        raise ConfigError(
            f"arm {entry['name']!r}", "has a name that cannot be a folder's", "Use letters, digits, - and _",
            code="name-not-a-folder-name",
        )  # fmt: skip
    entry = {name: value for name, value in entry.items() if value is not None}  # "weights:" and nothing after it
    for name, value in entry.items():
        if not isinstance(value, {"partial": bool, "config": dict}.get(name, str)):
            raise ConfigError(
                f"arm {entry['name']}: {name} = {value!r}", "has the wrong type",
                "Write {name: a, weights: a.pt, config: {...}}", code="setting-type",
            )  # fmt: skip
    arm = Arm(**entry)
    if arm.train_on:
        raise ConfigError(
            f"arm {arm.name}: train_on", "can only be set for the whole comparison",
            "Set train_on (sex, for example) for the comparison, not for an arm", code="setting-of-the-comparison",
        )  # fmt: skip
    weights = _weights(arm)
    if TASKS[task].needs_model and not weights:
        raise ConfigError(
            f"arm {arm.name}", "has no weights, and a probe needs a model", f"Name a model, or {UNTRAINED}laptop",
            code="model-missing",
        )  # fmt: skip
    return dataclasses.replace(arm, weights=weights, config=_complete(arm, config, task))


def _weights(arm: Arm) -> str:
    """A path made absolute; job ids, untrained models and the weights of packages as they are."""
    path = expanded(arm.weights)
    if not arm.weights or arm.weights.startswith(UNTRAINED) or packaged_weights(arm.weights):
        return arm.weights
    if path.exists():
        return str(path.absolute())
    if JOB_ID.fullmatch(arm.weights):
        return arm.weights
    raise WeightsError(
        path.absolute(), f"does not exist (weights of arm {arm.name})", "Check the path, or name a job's id",
        code="model-not-found",
    )  # fmt: skip


def _complete(arm: Arm, config: dict[str, Any], task: str) -> dict[str, Any]:
    """Every setting of the arm's task; what the study itself varies must be left alone."""
    kind, preset = config_class(TASKS, task, "task"), str(config.get("preset", "default"))
    try:
        tree = as_dict(build(kind, _merged(config.get("config") or {}, arm.config), preset))
    except ConfigError as error:
        raise ConfigError(f"arm {arm.name}: {error.value}", error.rule, error.remedy, code=error.code) from error
    default = as_dict(build(kind, {}, preset))
    seed, usual = (t.get("training", t)["seed"] for t in (tree, default))
    if tree["select"] != default["select"] or seed != usual:
        raise ConfigError(
            f"arm {arm.name}: seed or select", "can only be set for all arms of the comparison alike",
            "Use seeds, fractions, patients or per_class of the comparison", code="setting-of-the-comparison",
        )  # fmt: skip
    training = tree.get("training", {"devices": 1, "nodes": 1})
    if training["devices"] * training["nodes"] > 1:
        raise ConfigError(
            f"arm {arm.name}: training on {training['devices']} devices of {training['nodes']} nodes",
            "cannot be part of a comparison: each run has one device",
            "Name the devices of the comparison, such as devices: [cuda:0, cuda:1], for runs side by side",
            code="several-devices",
        )
    return tree


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    nested = {n: _merged(base[n], v) for n, v in over.items() if isinstance(v, dict) and isinstance(base.get(n), dict)}
    return {**base, **over, **nested}


def _sizes(config: dict[str, Any]) -> tuple[str, tuple[float, ...]]:
    given = [unit for unit in SIZES if config.get(unit)]
    if len(given) > 1:
        raise ConfigError(
            " and ".join(given), "both set the number of training patients", "Give one of them",
            code="sizes-in-two-units",
        )  # fmt: skip
    unit = given[0] if given else "fractions"
    sizes = _list(config, unit) if given else [1.0]
    for size in sizes:
        whole = unit != "fractions"
        if (
            isinstance(size, bool)
            or not isinstance(size, int if whole else (int, float))
            or size <= 0
            or (not whole and size > 1)
        ):
            rule = "must be whole numbers from 1" if whole else "must be shares above 0, at most 1"
            raise ConfigError(
                f"{unit}: {size!r}", rule, "Write patients: [5, 10, 20] or fractions: [0.1, 1.0]",
                code="setting-out-of-range",
            )  # fmt: skip
    if len(set(sizes)) < len(sizes):
        raise ConfigError(f"{unit}: {sizes}", "repeats a size", "Give each once", code="size-repeated")
    return unit, tuple(sorted(sizes))


def _seeds(seeds: Any) -> tuple[int, ...]:
    listed = list(range(seeds)) if isinstance(seeds, int) else list(seeds) if isinstance(seeds, (list, tuple)) else []
    sound = all(isinstance(seed, int) and 0 <= seed < SEED_LIMIT for seed in listed)
    if not listed or not sound or len(set(listed)) < len(listed):
        raise ConfigError(
            f"seeds = {seeds!r}", "must be a number of seeds or a list of different ones", "10 is what papers use",
            code="seeds-malformed",
        )  # fmt: skip
    return tuple(listed)


def _metric(config: dict[str, Any], task: str) -> str:
    known = metrics_of(task)
    metric = config.get("metric") or next(iter(known))
    if metric not in known:
        raise ConfigError(
            f"metric {metric!r}", f"is not a metric of {task}", f"Use one of {', '.join(known)}", code="metric-unknown"
        )
    return metric


def _reference(config: dict[str, Any], arms: tuple[Arm, ...], task: str) -> str:
    names = [arm.name for arm in arms]
    usual = names[0] if TASKS[task].needs_model else ""  # nothing is trained from scratch there
    reference = config.get("reference") or ("scratch" if "scratch" in names else usual)
    if reference not in names:
        raise ConfigError(
            f"reference {reference!r}", "is not the name of an arm",
            f"Name the arm to compare with: {', '.join(names)}", code="arm-unknown",
        )  # fmt: skip
    return reference


def _check_names(arms: tuple[Arm, ...]) -> None:
    if len(arms) < 2:
        raise ConfigError(
            counted(len(arms), "arm"), f"{be(len(arms))} too few to compare", "Give two arms or more, such as scratch and a model",
            code="too-few-arms",
        )  # fmt: skip
    seen: set[str] = set()
    for arm in arms:
        if arm.name.casefold() in seen:  # their folders would be one on some systems
            raise ConfigError(
                f"arm {arm.name!r}", "is there twice", "Give every arm a name of its own", code="arm-repeated"
            )
        seen.add(arm.name.casefold())


def _devices(config: dict[str, Any]) -> tuple[str, ...]:
    devices = tuple(str(device) for device in _list(config, "devices"))
    for device in devices:
        if device in ("auto", "none", "cuda") or not DEVICE.fullmatch(device) or devices.count(device) > 1:
            raise ConfigError(
                f"devices: {device}", "must be named exactly, each once", "Write devices: [cpu, cuda:0]",
                code="devices-not-exact",
            )  # fmt: skip
    return devices


def _budget(config: dict[str, Any], task: str) -> str:
    budget = str(config.get("budget") or STEPS)
    if budget not in BUDGETS:
        raise ConfigError(
            f"budget = {budget!r}", "is unknown", f"Use {' or '.join(BUDGETS)}", code="setting-not-a-choice"
        )
    if budget == PASSES and TASKS[task].needs_model:
        raise ConfigError(
            f"budget = {budget!r}", "means nothing to probes, which are fitted to convergence", "Leave it out",
            code="budget-without-training",
        )  # fmt: skip
    return budget


def _whole(config: dict[str, Any], name: str, default: int, minimum: int) -> int:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigError(
            f"{name} = {value!r}", f"must be a whole number from {minimum}", f"{default} is the usual value",
            code="setting-out-of-range",
        )  # fmt: skip
    return value


def _list(config: dict[str, Any], name: str) -> list[Any]:
    value = config.get(name)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{name} = {value!r}", "must be a list", f"Write {name}: [...]", code="setting-type")
    return list(value)
