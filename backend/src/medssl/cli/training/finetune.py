"""`medssl finetune` and `medssl probe`: from weights and labelled images to a measured model."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medssl.cli.follow import run_job
from medssl.cli.options import (  # fmt: skip
    ChannelNames,
    Channels,
    Config,
    Detach,
    Device,
    Exclude,
    FillGaps,
    Folds,
    Home,
    JobName,
    Labels,
    Masks,
    Modality,
    PartialWeights,
    Pattern,
    PlainIds,
    Settings,
    Test,
    UnreadableShare,
    Validation,
)
from medssl.cli.settings import merge, parse_settings, read_settings, with_options
from medssl.cli.training.plan import show_plan
from medssl.cli.training_set import data_spec, dicom_options
from medssl.core.protocol import DataSpec, JobSpec
from medssl.tasks import only_task

PROBE = "probe"

Data = Annotated[
    list[str], typer.Argument(help="A catalogue CSV (columns image, patient, mask or labels), or a folder.")
]
Preset = Annotated[str, typer.Option(help="Preset of the task, see `medssl tasks`.")]
Fold = Annotated[int, typer.Option(help="Fold that is the test set, counted from 0.")]


def finetune(
    data: Data,
    task: Annotated[str, typer.Option(help="Task: segmentation or classification.")] = "segmentation",
    start_from: Annotated[
        str, typer.Option(help="Weights to begin with: a job id or a file; without it: from scratch.")
    ] = "",
    preset: Preset = "default",
    settings: Settings = [],  # noqa: B006
    config: Config = "",
    labels: Labels = "",
    classes: Annotated[str, typer.Option(help='Names of the values in label maps: "1=Anterior,2=Posterior".')] = "",
    masks: Masks = "",
    pattern: Pattern = "",
    channels: Channels = [],  # noqa: B006
    channel_names: ChannelNames = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    test_fraction: Test = 0.2,
    folds: Folds = 0,
    fold: Fold = 0,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Train a network on all folds but one, for each of --folds; together they are one model. "
            "The test set stays apart.",
        ),
    ] = False,
    exclude: Exclude = [],  # noqa: B006
    unreadable_share: UnreadableShare = 0.5,
    plain_ids: PlainIds = False,
    fill_gaps: FillGaps = False,
    partial_weights: PartialWeights = False,
    name: JobName = "",
    device: Device = "auto",
    devices: Annotated[
        int | None, typer.Option(help="Devices on this machine; 1 unless said.", show_default=False)
    ] = None,
    detach: Detach = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Say how it would be trained (crop, stages, batch), and train nothing.")
    ] = False,
    home: Home = None,
) -> None:
    """Fine-tune a model on labelled images, and measure it on patients it never saw.

    The job runs on by itself; Ctrl-C only stops watching.
    """
    options = {
        "labels": ("--labels", labels),
        "classes": ("--classes", classes),
        "training.devices": ("--devices", devices),
    }
    over = with_options(merge(read_settings(config), parse_settings(settings)), options)
    chosen = data_spec(
        data, pattern, modality, validation_fraction, exclude,
        masks=masks, test_fraction=test_fraction, folds=folds, fold=fold, unreadable_share=unreadable_share,
        channels=tuple(channels), channel_names=channel_names, **dicom_options(plain_ids, fill_gaps),
    )  # fmt: skip
    if plan_only:
        return show_plan(task, preset, over, chosen, start_from, device, home)
    _run(
        "ensemble" if ensemble else "finetune", task, preset, over, chosen, detach, home,
        start_from=start_from, partial_weights=partial_weights, name=name, device=device,
    )  # fmt: skip


def probe(
    data: Data,
    model: Annotated[str, typer.Option(help="Model whose embeddings are probed: a job id or a file.")],
    labels: Labels,
    knn: Annotated[
        bool, typer.Option("--knn", help="Nearest neighbours that vote, instead of a linear probe.")
    ] = False,
    settings: Settings = [],  # noqa: B006
    config: Config = "",
    pattern: Pattern = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    test_fraction: Test = 0.2,
    folds: Folds = 0,
    fold: Fold = 0,
    exclude: Exclude = [],  # noqa: B006
    unreadable_share: UnreadableShare = 0.5,
    plain_ids: PlainIds = False,
    fill_gaps: FillGaps = False,
    name: JobName = "",
    device: Device = "auto",
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Fit a linear probe, or let nearest neighbours vote, on a model's embeddings as they are."""
    options = {"labels": ("--labels", labels), "probe": ("--knn", "knn" if knn else "")}
    over = with_options(merge(read_settings(config), parse_settings(settings)), options)
    chosen = data_spec(
        data, pattern, modality, validation_fraction, exclude,
        test_fraction=test_fraction, folds=folds, fold=fold, unreadable_share=unreadable_share, **dicom_options(plain_ids, fill_gaps),
    )  # fmt: skip
    _run(PROBE, only_task(PROBE), "default", over, chosen, detach, home, start_from=model, name=name, device=device)


def _run(
    kind: str, task: str, preset: str, over: dict[str, Any], data: DataSpec, detach: bool, home: Any, **spec: Any
) -> None:
    from medssl.core.home import home_folder
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict, build
    from medssl.jobs.store import JobStore
    from medssl.tasks import TASKS

    complete = as_dict(build(config_class(TASKS, task, "task"), over, preset))
    job = JobSpec(kind, task, complete, data, **spec)
    raise typer.Exit(run_job(JobStore(home_folder(home)), job, detach)[1] or 0)
