"""`medssl pretrain`: make a job and follow it."""

from __future__ import annotations

from typing import Annotated

import typer

from medssl.cli.follow import prepare_job, run_job
from medssl.cli.options import (  # fmt: skip
    Config,
    Detach,
    Device,
    Exclude,
    FillGaps,
    Home,
    JobName,
    Modality,
    PartialWeights,
    Pattern,
    PlainIds,
    Prepare,
    Settings,
    UnreadableShare,
    Validation,
)
from medssl.cli.settings import merge, parse_settings, read_settings, with_options
from medssl.cli.training_set import data_spec, dicom_options
from medssl.core.protocol import JobSpec


def pretrain(
    data: Annotated[
        list[str], typer.Argument(help="A folder, a catalogue CSV, image files, or dataset specs (.yaml).")
    ],
    method: Annotated[str, typer.Option(help="Method, see `medssl methods`.")] = "genesis",
    preset: Annotated[
        str, typer.Option(help="Preset of the method: default, laptop, released, and others")
    ] = "default",
    settings: Settings = [],  # noqa: B006
    config: Config = "",
    pattern: Pattern = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    exclude: Exclude = [],  # noqa: B006
    unreadable_share: UnreadableShare = 0.5,
    plain_ids: PlainIds = False,
    fill_gaps: FillGaps = False,
    name: JobName = "",
    device: Device = "auto",
    devices: Annotated[
        int | None, typer.Option(help="Devices on each machine; 1 unless said.", show_default=False)
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(help="Machines (start them with torchrun, see --prepare); 1 unless said.", show_default=False),
    ] = None,
    start_from: Annotated[str, typer.Option(help="Weight file or job id to begin with.")] = "",
    partial_weights: PartialWeights = False,
    detach: Detach = False,
    prepare: Prepare = False,
    home: Home = None,
) -> None:
    """Pretrain a model without labels (Ark: with the labels of many datasets), and follow the job.

    The job runs on by itself; Ctrl-C only stops watching.
    """
    from medssl.core.home import home_folder
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict, build
    from medssl.jobs.store import JobStore
    from medssl.pretraining import METHODS

    options = {"training.devices": ("--devices", devices), "training.nodes": ("--nodes", nodes)}
    over = with_options(merge(read_settings(config), parse_settings(settings)), options)
    complete = as_dict(build(config_class(METHODS, method), over, preset))
    spec = JobSpec(
        "pretrain", method, complete,
        data_spec(
            data, pattern, modality, validation_fraction, exclude, unreadable_share=unreadable_share, **dicom_options(plain_ids, fill_gaps)
        ), name=name, device=device,
        start_from=start_from, partial_weights=partial_weights,
    )  # fmt: skip
    store = JobStore(home_folder(home))
    if prepare:
        machines, each = (complete["training"][name] for name in ("nodes", "devices"))
        rendezvous = " --rdzv-backend c10d --rdzv-endpoint HOST:29500 --rdzv-id {job}" if machines > 1 else ""
        prepare_job(store, spec, f"torchrun --nnodes {machines} --nproc-per-node {each}{rendezvous}")
        return
    raise typer.Exit(run_job(store, spec, detach)[1] or 0)
