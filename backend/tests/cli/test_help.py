"""The help of every command, and tables, on a terminal of 80 columns: groups, examples, and no name cut."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from fakes import tiny_spec, write_phantoms
from typer.testing import CliRunner

from medssl.cli import output
from medssl.cli.app import app
from medssl.cli.help import APPLY, DATA, EXAMPLE, INSPECT, SERVER, TRAIN
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.datasets.spec.spec_files import READY_MADE
from medssl.jobs.store import JobStore
from medssl.pretraining import METHODS
from medssl.tasks import TASKS

WIDTH = 80
OLD = {
    ("similarity",): ("find",), ("jobs", "rm"): ("jobs", "delete"), ("samples", "rm"): ("samples", "delete"),
    ("data", "declare"): ("data", "spec"), ("data", "sets"): ("data", "specs"),
}  # fmt: skip
NO_NOUNS = {
    "a", "an", "the", "of", "for", "with", "where", "which", "what", "how", "only", "auto", "accept", "print", "write",
    "keep", "leave", "override", "run", "return", "apply", "also", "none", "0",
}  # fmt: skip


def commands(command=None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """All commands with their paths."""
    command = command or typer.main.get_command(app)
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield path, command


ALL = dict(commands())
SHOWN = {path: command for path, command in ALL.items() if not command.hidden}
OWN = {path: c for path, c in SHOWN.items() if not c.callback.__module__.startswith("medssl.cli.inspection.")}


@pytest.fixture(autouse=True)
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for console in (output.out, output.err):
        monkeypatch.setattr(console, "_width", WIDTH)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return result.stdout


def parse(line: str) -> tuple[str, ...]:
    """Parse a call as the command line does; returns the path of its command."""
    program, *arguments = shlex.split(line)
    command, path = typer.main.get_command(app), []
    while hasattr(command, "commands"):
        path.append(arguments.pop(0))
        command = command.commands[path[-1]]
    assert program == "medssl" and command.make_context("medssl", arguments).params is not None
    return tuple(path)


def test_the_top_shows_every_verb_in_one_of_five_groups():
    text = run("--help")
    panels = re.findall(r"╭─ ([\w ]+) ─", text)
    assert panels == ["Options", TRAIN, INSPECT, APPLY, DATA, SERVER]
    shown = set(re.findall(r"^│ (\w+) ", text, flags=re.M))
    assert shown == {path[0] for path in SHOWN}


@pytest.mark.parametrize("path", SHOWN, ids=" ".join)
def test_the_help_cuts_no_name_and_ends_with_an_example_that_parses(path: tuple[str, ...]):
    text = run(*path, "--help")
    assert not re.search(r"…(\s|$)", text) and max(map(len, text.splitlines())) <= WIDTH
    for parameter in SHOWN[path].params:
        assert all(re.search(rf"│ .*{re.escape(name)}[ ,]", text) for name in parameter.opts if name.startswith("--"))
    last = text.rstrip().split(EXAMPLE.strip())[-1].strip()
    assert "\n" not in last and parse(last) == path


@pytest.mark.parametrize("path", OWN, ids=" ".join)
def test_texts_of_options_begin_with_a_noun(path: tuple[str, ...]):
    for parameter in OWN[path].params:
        text = getattr(parameter, "help", None)
        assert text, f"{parameter.name} has no text"
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert text.split()[0].strip(":,").lower() not in NO_NOUNS, text


@pytest.mark.parametrize(("old", "new"), OLD.items(), ids=str)
def test_old_names_work_but_are_not_shown(old: tuple[str, ...], new: tuple[str, ...]):
    assert ALL[old].hidden and inspect.unwrap(ALL[old].callback) is inspect.unwrap(ALL[new].callback)
    assert [p.opts for p in ALL[old].params] == [p.opts for p in ALL[new].params]
    assert not re.search(rf"^│ {old[-1]} ", run(*old[:-1], "--help"), flags=re.M)


def test_the_negation_of_a_flag_is_still_read(tmp_path: Path):
    call = ["pretrain", write_phantoms(tmp_path / "d"), "--modality", "CT", "--prepare"]
    run(*call, "--no-detach", "--no-partial-weights")
    (view,) = JobStore(tmp_path / "home").list()
    assert not view.spec.partial_weights
    refused = CliRunner().invoke(app, [*map(str, call), "--no-such-flag"])
    assert refused.exit_code == 2


def test_the_list_of_jobs_shows_ids_and_names_whole(tmp_path: Path):
    store, names = JobStore(tmp_path / "home"), ["leber", "lungs of the second ward, all of them, with the long name"]
    spec = tiny_spec(write_phantoms(tmp_path / "d"))
    jobs = [store.create(dataclasses.replace(spec, name=name)) for name in names]
    for text in (run("jobs", "list"), *(run("jobs", "show", job) for job in jobs)):
        lines = text.splitlines()
        assert any(job in line and name in line for line in lines for job, name in zip(jobs, names)), text
    assert all(job in run("jobs", "list") for job in jobs)


@pytest.mark.parametrize(("verb", "table"), [("methods", METHODS), ("tasks", TASKS)], ids=["methods", "tasks"])
def test_names_of_settings_and_presets_are_shown_whole(verb: str, table: dict):
    listed = run(verb)
    for name in table:
        kind = config_class(table, name)
        assert all(re.search(rf"│ {preset} +│", listed) for preset in kind.PRESETS)
        text = run(verb, name)
        for setting in paths_of(as_dict(build(kind, {}))):
            assert f"│ {setting} " in text
        assert max(map(len, text.splitlines())) <= WIDTH


def paths_of(tree: dict, path: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from paths_of(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_names_of_dataset_specs_are_shown_whole():
    text = run("data", "specs")
    assert all(f"│ {name} " in text for name in READY_MADE) and max(map(len, text.splitlines())) <= WIDTH


def test_what_is_in_a_weight_file_is_shown_whole(tmp_path: Path):
    from medssl.core.plan import Plan
    from medssl.networks.unet3d import UNet3D
    from medssl.networks.weights.weight_files import save_weights

    job = "20260709-214533-genesis-of-the-second-ward-k7x2"
    plan = Plan("genesis", {"base_width": 4}, "paper", {"kind": "ct", "low": -1000.0}, (16, 16, 16), "CT")
    plan = dataclasses.replace(plan, provenance={"job": job, "created": "2026-07-09"})
    file = tmp_path / "a folder with a rather long name for the weights of all wards" / "model.safetensors"
    file.parent.mkdir()
    save_weights(file, UNet3D(4).state_dict(), plan)
    text = run("weights", "inspect", file)
    assert str(file) in text and re.search(rf"│ provenance\.job +│ {job} +│", text)
    assert "│ normalisation.kind " in text
