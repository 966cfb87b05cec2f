"""The scenarios themselves, in the stand-in with a real backend process; and what the runner makes of a bad end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import harness as harness_package
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "play"
sys.path.insert(0, str(FOLDER))

import applications  # noqa: E402
import run  # noqa: E402
import scenarios  # noqa: E402
from stage.log import Log, faultsOf  # noqa: E402

SHORT = ("first_run", "stopping")


@pytest.mark.slow
@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
@pytest.mark.parametrize("name", SHORT)
def test_a_scenario_passes_in_the_stand_in(name, tmp_path):
    code = run.main(["--stand-in", "--phantoms", "--output", str(tmp_path), name])
    results = json.loads((tmp_path / "report.json").read_text())
    assert code == 0, run.summary(results[0])
    steps = [step for result in results for step in result["steps"]]
    assert {step["state"] for step in steps} == {"passed"}
    pictures = [picture for step in steps for picture in step["pictures"]]
    assert pictures and all((tmp_path / picture).stat().st_size > 5000 for picture in pictures)
    assert all(picture in (tmp_path / "report.html").read_text() for picture in pictures)


def test_every_scenario_is_known_with_as_many_acts_as_it_has():
    files = {path.stem: path.read_text() for path in (FOLDER / "scenarios").glob("*.py") if path.stem != "__init__"}
    assert set(files) == set(scenarios.NAMES)
    for name, text in files.items():
        acts = text[text.index("\nACTS = (") :].split("(", 1)[1].count("(")
        assert acts == scenarios.FACTS[name].acts, name


def test_no_module_lies_where_the_package_slicer_would_take_it_for_its_own():
    """The stand-in's package `slicer` imports every module of every folder of its name on the path."""
    assert not [*FOLDER.parent.glob("*.py"), *FOLDER.parent.glob("*/__init__.py")]


def test_without_an_application_all_is_skipped_with_the_reason(capsys, tmp_path):
    assert run.main(["--output", str(tmp_path / "none")]) == run.SKIPPED
    assert "SLICER=" in capsys.readouterr().out
    assert run.main(["--slicer", str(tmp_path / "Slicer"), "--output", str(tmp_path / "none")]) == run.SKIPPED
    assert str(tmp_path / "Slicer") in capsys.readouterr().out


@pytest.fixture
def act(tmp_path):
    return applications.Act("stopping", 0, tmp_path, tmp_path, None, tmp_path / "home", "")


def record(act, *steps: tuple[str, str]) -> None:
    text = json.dumps([{"step": step, "title": step, "state": state, "faults": []} for step, state in steps])
    (act.output / "stopping-0.json").write_text(text)


def test_a_crash_is_a_fault_of_the_step_that_ran(act):
    record(act, ("first", "passed"), ("second", "begun"))
    steps = run.stepsOf(act, -11)
    assert [step["state"] for step in steps] == ["passed", "failed"]
    assert "signal 11" in steps[1]["faults"][0]


@pytest.mark.parametrize("steps", [(), (("first", "passed"),)])
def test_a_crash_between_or_before_steps_is_one_too(act, steps):
    record(act, *steps)
    found = run.stepsOf(act, -11)
    assert found[-1]["state"] == "failed" and len(found) == len(steps) + 1


def test_an_application_that_never_ends_is_ended(act, monkeypatch):
    waits = applications.Application([sys.executable, "-c", "import time; time.sleep(60)"])
    assert waits.play(act, limit=0.5) == -9


def test_the_environment_names_the_backend_only_where_it_shall(act, monkeypatch):
    monkeypatch.setenv("MEDSSL_PYTHON", "somewhere")
    assert "MEDSSL_PYTHON" not in act.environment()


TRACEBACK = """Traceback (most recent call last):
  File "x.py", line 3, in <lambda>
    widget.text()
TypeError: 'str' object is not callable
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TRACEBACK, ["traceback: TypeError: 'str' object is not callable"]),
        (TRACEBACK + TRACEBACK, ["traceback: TypeError: 'str' object is not callable"]),
        ("QObject::connect: No such signal QLabel::x()", ["log: QObject::connect: No such signal QLabel::x()"]),
        ("vtkPlotLine (0x5): line with < 2 points", ["log: vtkPlotLine (0x5): line with < 2 points"]),
        ("Generic Warning: In vtkMRMLNode.cxx", ["log: Generic Warning: In vtkMRMLNode.cxx"]),
        ("=== note Error: of the scenario itself", []),
        ("This plugin does not support propagateSizeHints()", []),
        ("Loading module", []),
    ],
)
def test_what_the_log_says_against_us(text, found):
    assert faultsOf(text) == found


def test_a_look_into_the_log_reads_what_is_new(tmp_path):
    path = tmp_path / "log"
    path.write_text("ERROR: first\n")
    log = Log(path)
    assert log.faults() == ["log: ERROR: first"]
    assert log.faults() == []
    with path.open("a") as file:
        file.write("ERROR: second\n")
    assert log.faults() == ["log: ERROR: second"]
