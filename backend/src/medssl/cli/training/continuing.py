"""`medssl continue`: the next round of labelling and training, from the model of the last one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.follow import run_job
from medssl.cli.options import Channels, Detach, Device, Exclude, Home, JobName, Masks, Modality, Pattern, Settings
from medssl.cli.output import err
from medssl.cli.settings import merge, parse_settings
from medssl.cli.training_set import data_spec, is_dataset_spec
from medssl.core.errors import WeightsError
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec, JobSpec
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
    channels: Channels = [],  # noqa: B006
    modality: Modality = "",
    exclude: Exclude = [],  # noqa: B006
    name: JobName = "",
    device: Device = "auto",
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Go on from a fine-tuned model with further labelled images, for about a minute.

    Settings are those of its job, with fewer steps and a lower learning rate; its images are read likewise (channels, label maps,
    PatientIDs, gaps) where no option says otherwise. Validation and test patients stay those of that job, so that
    `medssl jobs rounds` shows what each round brought; it is refused where one is missing.
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
    given: dict[str, Any] = {"pattern": pattern, "modality": modality, "masks": masks}
    given |= {"exclude": tuple(exclude), "channels": tuple(channels)}
    chosen = replace(_next_data(before.data, data, given), validation_of=job)
    spec = JobSpec(before.kind, before.method, complete, chosen, name=name, device=device, start_from=job)
    err.print(f"round {len(rounds) + 1}: {complete['training']['steps']} steps", highlight=False)
    raise typer.Exit(run_job(store, spec, detach)[1] or 0)


def _next_data(before: DataSpec, paths: list[str], given: dict[str, Any]) -> DataSpec:
    """The images of the next round, read as those of the round before but for what was given.

    Patterns are of folders alone, columns to exclude by of tables and dataset specs.

    Args:
        before: of the round before.
        paths: as the command line names the images.
        given: fields of `DataSpec`; what is empty was not given.
    """
    folder = len(paths) == 1 and Path(paths[0]).is_dir()
    tabular = is_dataset_spec(paths[0]) or paths[0].lower().endswith(".csv")
    read: dict[str, Any] = {"modality": before.modality, "masks": before.masks}
    read |= {"pattern": before.pattern, "channels": before.channels} if folder else {"pattern": ""}
    read |= {"exclude": before.exclude} if tabular else {}
    read |= {name: value for name, value in given.items() if value}
    named = data_spec(paths, validation_fraction=before.validation_fraction, **read)
    # Test patients stay those of the round before: a share would be drawn from those that it learnt from.
    return replace(
        before, path=named.path, volumes=named.volumes, sets=named.sets, pattern=named.pattern, channels=named.channels,
        modality=named.modality, masks=named.masks, exclude=named.exclude, folds=0, fold=0, test_fraction=0.0,
    )  # fmt: skip
