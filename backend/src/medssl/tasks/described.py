"""What the registries say, as `GET /methods`, `/tasks` and `/models` and the panels show it; standard library only."""

from __future__ import annotations

from typing import Any

from medssl.core.capabilities import starts
from medssl.core.plan import Plan
from medssl.core.registry import DATASET_SPECS, RegistryEntry, load
from medssl.core.schema import describe, presets, title_of
from medssl.networks import NETWORKS, capabilities_of
from medssl.pretraining import METHODS
from medssl.tasks import TASKS


def describe_methods() -> list[dict[str, Any]]:
    """Every pretraining method: name, title, description, fields, presets, declared, and what its models can."""
    return [
        {**_described(name, entry), "declared": entry.data == DATASET_SPECS, "can": _can_of_method(name)}
        for name, entry in METHODS.items()
    ]


def describe_tasks() -> list[dict[str, Any]]:
    """The same of every downstream task."""
    return [{**_described(name, entry), "declared": False, "can": [entry.answers]} for name, entry in TASKS.items()]


def abilities(plan: Plan) -> list[str]:
    """What a model can be asked for, and which pretrainings can begin with it."""
    return [*capabilities_of(plan), *_started_by(plan.method)]


def _described(name: str, entry: RegistryEntry) -> dict[str, Any]:
    config = load(entry.config)
    return {
        "name": name, "title": title_of(config), "description": " ".join((config.__doc__ or "").split()),
        "fields": describe(config), "presets": presets(config),
    }  # fmt: skip


def _can_of_method(name: str) -> list[str]:
    network = NETWORKS.get(name)
    return [*(network.can if network else ()), *_started_by(name)]


def _started_by(network: str) -> list[str]:
    return [starts(name) for name, entry in METHODS.items() if network in entry.starts_from]
