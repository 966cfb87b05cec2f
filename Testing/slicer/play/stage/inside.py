"""One act of a scenario, run by the application as a script; the environment says which."""

import json
import os
import sys
from pathlib import Path

PLAN = json.loads(os.environ["MEDSSL_SCENARIO"])
sys.path[:0] = [path for path in PLAN["paths"] if path not in sys.path]

import faulthandler  # noqa: E402
import importlib  # noqa: E402

import qt  # noqa: E402
import slicer  # noqa: E402
from watch.overlay_check import misplaced  # noqa: E402

from stage import app  # noqa: E402
from stage.driver import Driver  # noqa: E402
from stage.log import Log  # noqa: E402
from stage.stage import Stage  # noqa: E402

START_MS = 1500  # the application's own start-up is over by then


def begin() -> None:
    """Make the driver and let it run."""
    name, act = PLAN["scenario"], PLAN["act"]
    crashes = open(Path(PLAN["output"]) / f"{name}-{act}.crash.txt", "w")  # noqa: SIM115  # open until the end
    faulthandler.enable(crashes)
    scenario = importlib.import_module(f"scenarios.{name}")
    output, data = Path(PLAN["output"]), Path(PLAN["data"]) if PLAN["data"] else None
    stage = Stage(f"{name}-{act}", Path(PLAN["work"]), output, data)
    log = Log(Path(PLAN["log"]))

    def check() -> list[str]:
        return [f"drawn over another image: {text}" for text in misplaced()] + log.faults()

    def start(_stage) -> None:
        """The application starts with both modules"""
        atStart = [fault for fault in log.faults() if fault.startswith("traceback")]  # its own warnings are its own
        assert not atStart, "; ".join(atStart)

    slicer.app.quitOnLastWindowClosed = False
    steps = (start, *scenario.ACTS[act])
    path = output / f"{name}-{act}.json"
    slicer.medsslScenario = Driver(stage, steps, path, check, lambda: app.quit(0))  # else nothing keeps it alive
    slicer.medsslScenario.start()


qt.QTimer.singleShot(START_MS, begin)
