"""A setting that was given and would have no effect is refused or wins; over every config of methods and tasks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from refusals import refused

from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build, build_asked, describe, not_counting
from medssl.pretraining import METHODS
from medssl.pretraining.ark.config import ArkConfig
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.peac.config import PeacConfig
from medssl.tasks import TASKS
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.classification.config import ClassificationConfig
from medssl.tasks.segmentation.config import SegmentationConfig

CONFIGS = [config_class(table, name) for table in (METHODS, TASKS) for name in table] + [ApplyConfig]
PRESETS = [(one, preset) for one in CONFIGS for preset in one.PRESETS]
IDS = [f"{one.__name__}-{preset}" for one, preset in PRESETS]


def leaves(fields: list[dict[str, Any]], path: str = ""):
    for field in fields:
        if field["type"] == "group":
            yield from leaves(field["fields"], f"{path}{field['name']}.")
        else:
            yield path + field["name"], field


def other(field: dict[str, Any], value: Any) -> Any:
    """A value that is allowed and is not this one."""
    if field["type"] == "boolean":
        return not value
    if field["choices"]:
        return next(one for one in field["choices"] if one != value)
    low, high = field["minimum"], field["maximum"]
    middle = (low + high) / 2 if field["type"] == "number" else (int(low) + int(high)) // 2
    return next(one for one in (middle, high) if one != value)


def tree(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def value_at(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = getattr(config, name)
    return config


@pytest.mark.parametrize("config, preset", PRESETS, ids=IDS)
def test_a_given_setting_counts_or_is_refused(config, preset):
    fields = dict(leaves(describe(config)))
    dead = not_counting(build(config, {}, preset))
    for path in dead:
        default = value_at(build(config, {}, preset), path)
        wanted = other(fields[path], default)
        try:
            made = build(config, tree(path, wanted), preset)
        except ValueError as error:
            assert error.code == "setting-overridden" and path in error.value and dead[path][0] in error.rule
        else:
            assert value_at(made, path) == wanted and path not in not_counting(made)


@pytest.mark.parametrize("config, preset", PRESETS, ids=IDS)
def test_a_preset_sets_nothing_that_does_not_count(config, preset):
    made = build(config, {}, preset)
    for path in not_counting(made):
        assert value_at(made, path) == value_at(build(config, {}), path), path


@pytest.mark.parametrize("config, preset", PRESETS, ids=IDS)
def test_a_whole_preset_that_was_written_down_can_be_given_again(config, preset):
    made = build(config, {}, preset)
    assert build(config, as_dict(made), preset) == made


@pytest.mark.parametrize("config", CONFIGS, ids=lambda one: one.__name__)
def test_conditions_name_settings(config):
    made = build(config, {})
    for path, (governor, _, condition) in not_counting(made).items():
        assert value_at(made, path) is not None and value_at(made, governor) is not None
        assert condition.startswith(governor.rpartition(".")[2])


def test_steps_win_over_the_epochs_of_a_preset_and_keep_its_shares():
    made = build(ArkConfig, {"training": {"steps": 40}}, "laptop")  # 20 epochs, one of warm-up
    assert made.epochs == made.warmup_epochs == 0
    assert made.training.steps == 40 and made.with_total_steps(37).training.steps == 40
    assert made.training.warmup_steps == 2 and made.training.validate_every == 2
    given = {"steps": 40, "warmup_steps": 7, "validate_every": 10}
    made = build(ArkConfig, {"training": given}, "laptop").training
    assert (made.warmup_steps, made.validate_every) == (7, 10)


@pytest.mark.parametrize("config", [GenesisConfig, PeacConfig, SegmentationConfig, ClassificationConfig])
def test_fewer_steps_than_the_preset_has_warm_up_for_as_large_a_share_of_them(config):
    whole = build(config, {}, "default").training
    short = build(config, {"training": {"steps": whole.steps // 100}}, "default").training
    assert short.warmup_steps == round(whole.warmup_steps * (whole.steps // 100) / whole.steps) < short.steps
    given = build(config, {"training": {"steps": whole.steps // 100, "warmup_steps": 7}}, "default").training
    assert given.warmup_steps == 7
    assert (
        build(config, {"training": {"steps": 2 * whole.steps}}, "default").training.warmup_steps == whole.warmup_steps
    )


def test_steps_and_epochs_that_were_both_given_contradict():
    with refused("setting-overridden", ["training.steps = 10", "epochs = 3"]):
        build(ArkConfig, {"epochs": 3, "training": {"steps": 10}}, "laptop")


def test_a_part_of_a_tree_was_meant_and_a_whole_one_is_taken_as_it_is():
    part = {"epochs": 3, "training": {"steps": 10}}
    with refused("setting-overridden", ["training.steps = 10", "epochs = 3"]):
        build_asked(ArkConfig, part)
    whole = as_dict(build(ArkConfig, part))
    assert as_dict(build_asked(ArkConfig, whole)) == whole


def test_stored_settings_are_built_whatever_they_say():
    stored = as_dict(dataclasses.replace(build(ArkConfig, {}, "laptop"), epochs=3))
    stored["training"]["steps"] = 10  # a job of an earlier version
    assert build(ArkConfig, stored).epochs == 3
