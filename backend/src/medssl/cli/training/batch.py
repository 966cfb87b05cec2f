"""`medssl batch`: a list of jobs, unattended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.follow import run_job
from medssl.cli.options import Detach, Home, JobName
from medssl.cli.output import out
from medssl.cli.settings import read_yaml
from medssl.core.errors import ConfigError
from medssl.core.protocol import DataSpec, JobSpec

PATHS = ("start_from", "predictions")


def batch(
    file: Annotated[str, typer.Argument(help="YAML or JSON: a list of jobs, or {items: [...], devices: [...]}.")],
    devices: Annotated[str, typer.Option(help="Devices, one job at a time on each: cpu,cuda:0,cuda:1.")] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Items that an earlier batch has finished run again too.")
    ] = False,
    name: JobName = "",
    detach: Detach = False,
    home: Home = None,
) -> None:
    """Run a list of jobs from a file, unattended; running it again skips what is finished.

    Each item has a name, a kind (pretrain, finetune, ensemble, probe, apply, compare, evaluate) and the settings of such a job; "@other"
    as start_from means the model of an earlier item. Items that fail do not stop the others; those whose data have changed since
    run anew.
    """
    from medssl.core.home import home_folder
    from medssl.jobs.store import JobStore

    config = read_batch_file(Path(file))
    if devices:
        config["devices"] = devices.split(",")
    if fresh:
        config["reuse"] = False
    store = JobStore(home_folder(home))
    spec = JobSpec("batch", "batch", config, DataSpec(path=file), name=name or Path(file).stem, device="none")
    folder, status = run_job(store, spec, detach)
    table = folder / "results" / "batch.md"
    if status is not None and table.is_file():
        text = table.read_text(encoding="utf-8")
        out.print(text, markup=False, highlight=False)
        status = status or int("failed" in text.partition("\n")[0])
    raise typer.Exit(status or 0)


def read_batch_file(file: Path) -> dict[str, Any]:
    """The batch of a file, its paths made absolute: they are relative to the file.

    Raises:
        ConfigError: no such file, or neither a list nor a mapping in it.
    """
    tree = read_yaml(file, "batch file")
    config = {"items": tree} if isinstance(tree, list) else tree
    if not isinstance(config, dict) or not all(isinstance(item, dict) for item in config.get("items") or [None]):
        remedy = "Write - {name: first, kind: finetune, ...}"
        raise ConfigError(f"batch file {file}", "holds no list of items", remedy, code="batch-without-items")
    return {**config, "items": [_beside(item, file.absolute().parent) for item in config["items"]]}


def _beside(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    data = item.get("data")
    made = {**item, **{name: _path(item[name], folder) for name in PATHS if item.get(name)}}
    if isinstance(data, str):
        made["data"] = {"path": str(folder / data)}
    elif isinstance(data, dict) and data.get("path"):
        made["data"] = {**data, "path": str(folder / data["path"])}
    if item.get("kind") == "compare" and isinstance(item.get("config"), dict):
        arms = [{**arm, "weights": _path(arm.get("weights") or "", folder)} for arm in item["config"].get("arms") or []]
        made["config"] = {**item["config"], "arms": arms}
    return made


def _path(text: str, folder: Path) -> str:
    """A file beside the batch's own; jobs, items and what is not there stay as they are."""
    return str(folder / text) if text and (folder / text).exists() else text
