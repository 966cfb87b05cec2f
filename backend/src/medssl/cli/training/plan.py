"""What `medssl finetune --plan-only` prints."""

from __future__ import annotations

from typing import Any

from medssl.cli.output import err, print_table
from medssl.core.protocol import DataSpec, to_json


def show_plan(
    task: str, preset: str, over: dict[str, Any], data: DataSpec, start_from: str, device: str, home: Any
) -> None:
    """Print how a task would be trained.

    Raises:
        MedSSLError: what the training would refuse.
    """
    from medssl.core.home import home_folder
    from medssl.core.registry import config_class
    from medssl.core.requests import PlanRequest
    from medssl.core.schema import as_dict, build
    from medssl.handlers.worker.local import run_here
    from medssl.tasks import TASKS

    complete = as_dict(build(config_class(TASKS, task, "task"), over, preset))
    request = PlanRequest(data, task, complete, start_from, device)
    with err.status("reading") as status:
        found = run_here("plan", to_json(request), home_folder(home), None, lambda share, text: status.update(text))
    print_table(("plan", ""), [(row["what"], row["which"]) for row in found.table])
