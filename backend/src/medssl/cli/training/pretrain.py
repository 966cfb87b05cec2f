"""`medssl pretrain`: make a job and follow it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.data.dataset_specs import is_dataset_spec, read_dataset_specs
from medssl.cli.options import (  # fmt: skip
    Config,
    Detach,
    Device,
    Exclude,
    Home,
    Modality,
    Name,
    PartialWeights,
    Pattern,
    Settings,
    Validation,
)
from medssl.cli.output import JobDisplay, complain, err, out
from medssl.core.errors import ConfigError, from_dict
from medssl.core.protocol import FINISHED, DataSpec, JobSpec, VolumeRef

PRODUCTS = ("model.safetensors", "report.html", "batch.md")  # what a job is run for


def pretrain(
    data: Annotated[list[str], typer.Argument(help="A folder, a catalogue CSV, image files, or declarations (.yaml).")],
    method: Annotated[str, typer.Option(help="See `medssl methods`.")] = "genesis",
    preset: Annotated[str, typer.Option(help="A preset of the method: default, laptop, released …")] = "default",
    settings: Settings = [],  # noqa: B006
    config: Config = "",
    pattern: Pattern = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    exclude: Exclude = [],  # noqa: B006
    name: Name = "",
    device: Device = "auto",
    devices: Annotated[int, typer.Option(help="Devices on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines (start with torchrun, see --prepare).")] = 1,
    start_from: Annotated[str, typer.Option(help="A weight file to begin with.")] = "",
    partial_weights: PartialWeights = False,
    detach: Detach = False,
    prepare: Annotated[bool, typer.Option(help="Only make the job folder, for torchrun or a batch system.")] = False,
    home: Home = None,
) -> None:
    """Pretrain a model. The job runs on by itself; Ctrl-C only stops watching."""
    from medssl.core.home import home_folder
    from medssl.core.registry import config_class
    from medssl.core.schema import as_dict, build
    from medssl.jobs import process
    from medssl.jobs.check import checked
    from medssl.jobs.store import JobStore
    from medssl.pretraining import METHODS

    over = merge(
        read_settings(config), parse_settings([*settings, f"training.devices={devices}", f"training.nodes={nodes}"])
    )
    spec = JobSpec(
        "pretrain", method, as_dict(build(config_class(METHODS, method), over, preset)),
        data_spec(data, pattern, modality, validation_fraction, exclude), name=name, device=device,
        start_from=start_from, partial_weights=partial_weights,
    )  # fmt: skip
    store = JobStore(home_folder(home))
    if prepare:
        folder = store.folder(store.create(checked(spec, home=store.home)))
        rendezvous = f" --rdzv-backend c10d --rdzv-endpoint HOST:29500 --rdzv-id {folder.name}" if nodes > 1 else ""
        out.print(
            f"{folder}\nrun it with: torchrun --nnodes {nodes} --nproc-per-node {devices}{rendezvous} "
            f"-m medssl.jobs.child {shlex.quote(str(folder))}",
            highlight=False,
        )
        return
    job = process.submit(store, spec)
    if detach:
        print(job)
        return
    raise typer.Exit(watch(store, job))


def watch(store: Any, job: str) -> int:
    """Follow a job on the terminal to its end; returns the exit status."""
    from medssl.jobs import process

    err.print(f"job {job}", highlight=False)
    try:
        with JobDisplay() as display:
            view = process.wait(store, job, display.show)
    except KeyboardInterrupt:
        err.print(f"\nThe job goes on. Stop it with: medssl jobs cancel {job}", highlight=False)
        return 130
    if view.status.state == FINISHED:
        results = store.folder(job) / "results"
        print(next((results / name for name in PRODUCTS if (results / name).is_file()), results))
        return 0
    if view.status.error:
        complain(from_dict(view.status.error))
    err.print(f"{view.status.state}; log: {store.folder(job) / 'log.txt'}", highlight=False)
    return 1


def data_spec(
    paths: list[str], pattern: str, modality: str, validation_fraction: float, exclude: Sequence[str] = (), **more: Any
) -> DataSpec:
    """A folder or CSV as such; image files as a list; declarations (YAML) as sets. `more`: further fields of `DataSpec`.

    Raises:
        CatalogError: a declaration that breaks a rule, or one among other things.
    """
    only = Path(paths[0])
    common: dict[str, Any] = {
        "modality": modality,
        "validation_fraction": validation_fraction,
        "exclude": tuple(exclude),
        **more,
    }
    if any(is_dataset_spec(path) for path in paths):
        return DataSpec(sets=tuple(one.as_dict() for one in read_dataset_specs(paths)), **common)
    if len(paths) == 1 and (only.is_dir() or only.suffix.lower() == ".csv" or not only.exists()):
        return DataSpec(path=str(only), pattern=pattern, **common)
    volumes = tuple(VolumeRef(path=path, modality=modality) for path in paths)
    return DataSpec(volumes=volumes, **common)


def parse_settings(assignments: list[str]) -> dict[str, Any]:
    """Turn `training.steps=500` into {"training": {"steps": 500}}; values are JSON where they can be, else text.

    Raises:
        ConfigError: no equals sign.
    """
    tree: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}", "lacks an equals sign", "Write --set training.steps=500")
        *groups, name = path.strip().split(".")
        here = tree
        for group in groups:
            here = here.setdefault(group, {})
        try:
            here[name] = json.loads(text)
        except ValueError:
            here[name] = text
    return tree


def read_settings(path: str) -> dict[str, Any]:
    """Settings of a YAML or JSON file; {} where no file is named.

    Raises:
        ConfigError: no such file, or no mapping in it.
    """
    if not path:
        return {}
    import yaml

    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"config file {path}", f"cannot be read ({error})", "Give a YAML or JSON file") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path}", "must hold a mapping of settings", "See `medssl methods NAME`")
    return tree


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, `over` winning."""
    nested = {n: merge(base[n], v) for n, v in over.items() if isinstance(v, dict) and isinstance(base.get(n), dict)}
    return {**base, **over, **nested}
