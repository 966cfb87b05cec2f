"""`medssl continue`: the next round of labelling and training, from the model of the last one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from medssl.cli.follow import run_job
from medssl.cli.options import Detach, Device, Exclude, Home, JobName, Masks, Modality, Pattern, Settings
from medssl.cli.output import err
from medssl.cli.settings import merge, parse_settings
from medssl.cli.training_set import data_spec
from medssl.core.errors import WeightsError
from medssl.core.home import home_folder
from medssl.core.protocol import JobSpec
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.jobs.rounds import job_of_model, rounds_of
from medssl.jobs.store import JobStore
from medssl.tasks import TASKS
from medssl.tasks.continuation import BUDGET_S, continuation


def continue_round(
    data: Annotated[list[str], typer.Argument(help="All labelled images, old and new: a catalogue CSV or a folder.")],
    model: Annotated[str, typer.Option(help="Fine-tuning to go on from: a job's id or name.")],
    seconds: Annotated[float, typer.Option(help="Seconds that the training steps may take.")] = BUDGET_S,
    settings: Settings = [],  # noqa: B006
    masks: Masks = "",
    pattern: Pattern = "",
    modality: Modality = "",
    exclude: Exclude = [],  # noqa: B006
    name: JobName = "",
    device: Device = "auto",
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Go on from a fine-tuned model with further labelled images, for about a minute.

    Settings are those of its job, with fewer steps and a lower learning rate. Validation and test patients stay those of
    that job, so that `medssl jobs rounds` shows what each round brought; it is refused where one is missing.
    """
    store = JobStore(home_folder(home))
    job = job_of_model(store.home, model)
    if not job:
        raise WeightsError(
            f"model {model}", "is no fine-tuning of this home folder, which rounds go on from",
            "Begin with `medssl finetune --start-from`", code="model-of-no-job",
        )  # fmt: skip
    rounds, before = rounds_of(store, job), store.spec(job)
    first, last = store.spec(rounds[0].job), rounds[-1]
    config: dict[str, Any] = continuation(before.config, first.config, len(rounds) + 1, last.steps_per_s, seconds)
    complete = as_dict(build(config_class(TASKS, before.method, "task"), merge(config, parse_settings(settings))))
    chosen = data_spec(
        data, pattern, modality or before.data.modality, before.data.validation_fraction, exclude, masks=masks
    )
    chosen = replace(chosen, validation_of=job)
    spec = JobSpec(before.kind, before.method, complete, chosen, name=name, device=device, start_from=job)
    err.print(f"round {len(rounds) + 1}: {complete['training']['steps']} steps", highlight=False)
    raise typer.Exit(run_job(store, spec, detach)[1] or 0)
