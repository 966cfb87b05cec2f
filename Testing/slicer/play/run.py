"""Run scenarios in a real application or in the stand-in, and write a report: `make test-slicer SLICER=/path/to/Slicer`.

Exit code: 0 all passed, 1 something failed, 77 nothing could be run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from applications import ROOT, Act, Application, real, standIn  # noqa: E402
from report import summary, writeReport  # noqa: E402
from scenarios import NAMES  # noqa: E402

SKIPPED = 77
REAL_DATA = ROOT.parent / "shared" / "data"


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names."""
    options = parsed(arguments)
    try:
        application = standIn() if options.stand_in else real(options.slicer)
    except RuntimeError as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    output = Path(options.output).resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    data = None if options.phantoms or options.stand_in or not Path(options.data).is_dir() else Path(options.data)
    results = []
    try:
        for name in options.scenarios or NAMES:
            results.append(play(application, name, output, data))
            writeReport(results, output)
            print(summary(results[-1]), flush=True)
    finally:
        stopBackends(output)
    print(f"report: {output / 'report.html'}")
    return int(any(result["state"] == "failed" for result in results))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help=f"which ones; all: {', '.join(NAMES)}")
    parser.add_argument("--slicer", default="", help="the application")
    parser.add_argument(
        "--stand-in", action="store_true", help="run them in the stand-in of the panel tests, on phantoms"
    )
    parser.add_argument("--output", default=str(ROOT / "test-slicer"), help="folder of the report; it is emptied")
    parser.add_argument("--data", default=str(REAL_DATA), help="folder of real images; where there is none: phantoms")
    parser.add_argument("--phantoms", action="store_true", help="phantoms in any case")
    options = parser.parse_args(arguments)
    if unknown := set(options.scenarios) - set(NAMES):
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return options


def play(application: Application, name: str, output: Path, data: Path | None) -> dict[str, Any]:
    """Play a scenario's acts, each in a fresh application; what came of it."""
    # Its doc is read without importing it: only the application has what it needs.
    title, acts, own = scenarioFacts(name)
    steps: list[dict[str, Any]] = []
    work = output / "work"
    work.mkdir(exist_ok=True)
    begun = time.monotonic()
    for number in range(acts):
        home = output / (f"home-{name}" if own else "home")
        act = Act(
            name, number, work, output, data, home, "" if own else os.environ.get("MEDSSL_PYTHON", sys.executable)
        )
        code = application.play(act)
        steps += stepsOf(act, code)
    states = {step["state"] for step in steps}
    state = "failed" if "failed" in states else "skipped" if states == {"skipped"} else "passed"
    seconds = round(time.monotonic() - begun)
    return {"scenario": name, "title": title, "state": state, "seconds": seconds, "steps": steps}


def scenarioFacts(name: str) -> tuple[str, int, bool]:
    """Title, number of acts, and whether it has a home folder of its own and no backend named."""
    facts = importlib.import_module("scenarios").FACTS[name]
    return facts.title, facts.acts, facts.ownHome


def stepsOf(act: Act, code: int) -> list[dict[str, Any]]:
    """The record of an act; where the application ended badly, the step that it was in has failed."""
    path = act.output / f"{act.scenario}-{act.number}.json"
    steps = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    for step in steps:
        step["act"] = act.number
    open_ = [step for step in steps if step["state"] == "begun"]
    if code == 0 and steps and not open_:
        return steps
    ending = f"the application was ended by signal {-code}" if code < 0 else f"the application ended with code {code}"
    if not open_:
        steps.append({"step": "end", "title": "The application ends", "act": act.number, "faults": []})
        open_ = steps[-1:]
    open_[0]["state"] = "failed"
    open_[0]["faults"].append(f"{ending}; see {act.log.name}")
    return steps


def stopBackends(output: Path) -> None:
    """No process outlives the report."""
    from medssl.client import backend

    for home in output.glob("home*"):
        address = backend.find(home)
        if address is not None:
            backend.stop(address)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the application and the backend end, too
    sys.exit(main())
