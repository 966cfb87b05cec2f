"""The warm worker: `python -m medssl.handlers.worker.process HOME`. One JSON line on stdin per inspection; answers are folders."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from medssl.core.errors import CancelledError, translate
from medssl.core.files import read_json
from medssl.core.protocol import from_json
from medssl.core.registry import load
from medssl.handlers import Inspection
from medssl.handlers.worker.context import FolderContext
from medssl.inference.models import WarmEmbeddings, WarmModels

INSPECTIONS = "medssl.handlers:INSPECTIONS"


def work(lines: Any, home: Path, inspections: str = INSPECTIONS) -> None:
    """Do one inspection after another until the input ends.

    Args:
        lines: JSON texts like `{"folder": "…/results/20261123-004501-007-restore-1a2b"}`.
        home: the home folder.
        inspections: `module:TABLE` of the inspections, as `medssl.handlers.INSPECTIONS`.
    """
    models, embeddings = WarmModels(home), WarmEmbeddings()
    for line in lines:
        folder = Path(json.loads(line)["folder"])
        inspect_one(FolderContext(home, folder, models, embeddings), load(inspections))


def inspect_one(context: FolderContext, table: dict[str, Inspection]) -> None:
    """Run the inspection that a result folder asks for; whatever happens ends in the folder."""
    try:
        context.begin()
        inspection = table[context.kind]
        request = from_json(load(inspection.request), read_json(context.folder / "request.json"))
        load(inspection.handler)(request, context)
        context.close()
    except CancelledError:
        context.end_cancelled()
    except Exception as error:  # the process border: the worker stays warm for the next inspection
        traceback.print_exc()
        context.end_failed(translate(error, "the inspection"))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and work."""
    parser = argparse.ArgumentParser(prog="medssl.handlers.worker.process")
    parser.add_argument("home", type=Path)
    parser.add_argument("--inspections", default=INSPECTIONS, help="module:TABLE of the inspections")
    options = parser.parse_args(arguments)
    work(iter(sys.stdin.readline, ""), options.home, options.inspections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
