"""`medssl finetune` and `medssl probe`: from weights and labelled images to a measured model."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medssl.cli.options import (  # fmt: skip
    Config,
    Detach,
    Device,
    Exclude,
    Home,
    Labels,
    Masks,
    Modality,
    Name,
    PartialWeights,
    Pattern,
    Settings,
    Test,
    Validation,
)
from medssl.cli.training.pretrain import data_spec, merge, parse_settings, read_settings, watch
from medssl.core.protocol import DataSpec, JobSpec

Data = Annotated[
    list[str], typer.Argument(help="A catalogue CSV (columns image, patient, mask or labels), or a folder.")
]
Preset = Annotated[str, typer.Option(help="A preset of the task, see `medssl tasks`.")]
Folds = Annotated[int, typer.Option(help="Cross-validation: parts of the patients, of which --fold is the test set.")]
Fold = Annotated[int, typer.Option(help="Which fold, from 0.")]


def finetune(
    data: Data,
    task: Annotated[str, typer.Option(help="segmentation or classification.")] = "segmentation",
    start_from: Annotated[str, typer.Option(help="Weights: a job id or a file; none trains from scratch.")] = "",
    preset: Preset = "default",
    settings: Settings = [],  # noqa: B006
    config: Config = "",
    labels: Labels = "",
    classes: Annotated[str, typer.Option(help='Names of the label map\'s values: "1=Anterior,2=Posterior".')] = "",
    masks: Masks = "",
    pattern: Pattern = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    test_fraction: Test = 0.2,
    folds: Folds = 0,
    fold: Fold = 0,
    exclude: Exclude = [],  # noqa: B006
    partial_weights: PartialWeights = False,
    name: Name = "",
    device: Device = "auto",
    devices: Annotated[int, typer.Option(help="Devices on this machine.")] = 1,
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Fine-tune a model on labelled images, and measure it on patients it never saw.

    Ctrl-C only stops watching: the job runs on by itself.
    """
    set_too = {"labels": labels} | {"classes": classes}
    over = merge(read_settings(config), parse_settings([*settings, f"training.devices={devices}"]))
    over = {**over, **{key: value for key, value in set_too.items() if value}}
    chosen = data_spec(
        data,
        pattern,
        modality,
        validation_fraction,
        exclude,
        masks=masks,
        test_fraction=test_fraction,
        folds=folds,
        fold=fold,
    )
    _run(
        "finetune", task, preset, over, chosen, detach, home,
        start_from=start_from, partial_weights=partial_weights, name=name, device=device,
    )  # fmt: skip


def probe(
    data: Data,
    model: Annotated[str, typer.Option(help="The model whose embeddings are probed: a job id or a file.")],
    labels: Labels,
    knn: Annotated[
        bool, typer.Option("--knn", help="Let the nearest neighbours vote instead of a linear probe.")
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
    name: Name = "",
    device: Device = "auto",
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Fit a linear probe, or let nearest neighbours vote, on a model's embeddings as they are."""
    over = merge(read_settings(config), parse_settings(settings)) | {"labels": labels}
    over |= {"probe": "knn"} if knn else {}
    chosen = data_spec(
        data, pattern, modality, validation_fraction, exclude, test_fraction=test_fraction, folds=folds, fold=fold
    )
    _run("probe", "probing", "default", over, chosen, detach, home, start_from=model, name=name, device=device)


def _run(
    kind: str, task: str, preset: str, over: dict[str, Any], data: DataSpec, detach: bool, home: Any, **spec: Any
) -> None:
    from medssl.core.home import home_folder
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict, build
    from medssl.jobs import process
    from medssl.jobs.store import JobStore
    from medssl.tasks import TASKS

    complete = as_dict(build(config_class(TASKS, task, "task"), over, preset))
    store = JobStore(home or home_folder())
    job = process.submit(store, JobSpec(kind, task, complete, data, **spec))
    if detach:
        print(job)
        return
    raise typer.Exit(watch(store, job))
