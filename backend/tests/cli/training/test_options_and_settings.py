"""Options and --set that are of one setting: a default never wins over what was given, and two values are refused."""

from __future__ import annotations

import pytest
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.settings import parse_settings, with_options
from medssl.cli.training import finetune
from medssl.core.errors import MedSSLError


def refusal(*arguments: object) -> MedSSLError:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(result.exception, MedSSLError), (result.output, result.exception)
    return result.exception


def test_an_option_that_was_not_given_changes_nothing():
    given = parse_settings(["training.devices=4", "labels=Mass"])
    options = {"training.devices": ("--devices", None), "labels": ("--labels", "")}
    assert with_options(given, options) == {"training": {"devices": 4}, "labels": "Mass"}


def test_true_and_false_are_read_as_python_writes_them_too():
    assert parse_settings(["a=True", "b=false", "c=text"]) == {"a": True, "b": False, "c": "text"}


def test_an_option_is_a_setting():
    assert with_options({"training": {"steps": 5}}, {"training.devices": ("--devices", 2)}) == {
        "training": {"steps": 5, "devices": 2}
    }


def test_two_values_of_one_setting_are_refused():
    with refused("setting-given-twice", ["4", "--devices = 2"]):
        with_options(parse_settings(["training.devices=4"]), {"training.devices": ("--devices", 2)})
    with refused("setting-given-twice", ["5", "6"]):
        parse_settings(["training.steps=5", "training.steps=6"])
    assert parse_settings(["training.steps=5", "training.steps=5"]) == {"training": {"steps": 5}}


@pytest.mark.parametrize("verb", [["finetune"], ["probe", "--model", "m", "--labels", "a"]])
def test_fractions_do_not_count_beside_folds(tmp_path, verb):
    common = [*verb, tmp_path, "--home", tmp_path]
    for option in ("--test-fraction", "--validation-fraction"):
        error = refusal(*common, "--folds", 5, option, 0.3)
        assert error.code == "option-overridden" and option in error.value and "--folds 5" in error.rule
    error = refusal(*common, "--fold", 1)
    assert error.code == "option-overridden" and "--folds" in error.remedy


def test_an_ensemble_keeps_a_test_set_apart_and_draws_its_folds_from_the_others(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(finetune, "run_job", lambda store, spec, detach: (sent.append(spec), 0))
    common = ["finetune", str(tmp_path), "--home", str(tmp_path), "--ensemble", "--folds", "5"]
    result = CliRunner().invoke(app, [*common, "--test-fraction", "0.3"])
    assert result.exit_code == 0, result.exception
    (spec,) = sent
    assert (spec.kind, spec.data.folds, spec.data.test_fraction) == ("ensemble", 5, 0.3)
    assert refusal(*common, "--validation-fraction", 0.3).code == "option-overridden"


def test_several_devices_by_set_are_not_undone_by_a_default(tmp_path):
    error = refusal("pretrain", tmp_path, "--home", tmp_path, "--set", "training.nodes=2", "--nodes", 3)
    assert error.code == "setting-given-twice"
