"""`medssl compare`: arms x sizes x seeds as one job, and its report at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.follow import prepare_job, run_job
from medssl.cli.help import is_given
from medssl.cli.options import (  # fmt: skip
    ChannelNames,
    Channels,
    Detach,
    Device,
    Exclude,
    Home,
    JobName,
    Labels,
    Masks,
    Modality,
    PartialWeights,
    Pattern,
    Prepare,
    Settings,
    Test,
    Validation,
)
from medssl.cli.output import out, say
from medssl.cli.settings import merge, parse_settings, read_settings
from medssl.cli.training_set import data_spec
from medssl.core.errors import CatalogError, ConfigError
from medssl.core.protocol import DataSpec, JobSpec, from_json

COMPARISON_FILES = (".yaml", ".yml", ".json")
OF_DATA = (  # what a comparison file says under data
    "pattern", "channels", "channel_names", "masks", "modality", "validation_fraction", "test_fraction", "exclude",
)  # fmt: skip
LISTS = {"fractions": float, "patients": int, "per_class": int}


def compare(
    context: typer.Context,
    data: Annotated[
        list[str],
        typer.Argument(help="A catalogue CSV, a folder, or a comparison file (YAML or JSON).", show_default=False),
    ] = [],  # noqa: B006
    task: Annotated[str, typer.Option(help="Task: segmentation, classification or probing.")] = "",
    arms: Annotated[
        list[str],
        typer.Option(
            "--arm",
            help="Arm, a way to train that is compared, as NAME=WEIGHTS: a file, a job's id, or nothing (from scratch); repeatable.",
        ),
    ] = [],  # noqa: B006
    arm_settings: Annotated[
        list[str],
        typer.Option("--arm-set", help="Setting of one arm as NAME:SETTING=VALUE, such as slices:form=2d; repeatable."),
    ] = [],  # noqa: B006
    fractions: Annotated[str, typer.Option(help="Shares of the training patients, such as 0.1,0.25,1.")] = "",
    patients: Annotated[str, typer.Option(help="Numbers of training patients, such as 5,10,20.")] = "",
    per_class: Annotated[str, typer.Option(help="Training patients of each class, such as 1,5,10.")] = "",
    seeds: Annotated[
        int, typer.Option(help="Seeds, hence runs, of every arm and size (5 unless the file says).", show_default=False)
    ] = 0,
    metric: Annotated[str, typer.Option(help="Metric that is compared: dice, auc ...")] = "",
    reference: Annotated[
        str,
        typer.Option(help="Arm with which others are compared; without it scratch, of probes the first."),
    ] = "",
    labels: Labels = "",
    preset: Annotated[str, typer.Option(help="Preset of the task, see `medssl tasks`.")] = "",
    settings: Settings = [],  # noqa: B006
    groups: Annotated[
        list[str],
        typer.Option("--group", help="Column for results per group: sex, or in bands: age:0,40,60; repeatable."),
    ] = [],  # noqa: B006
    train_on: Annotated[str, typer.Option(help="Column: one model for each of its values, tested on all.")] = "",
    partial_weights: PartialWeights = False,
    pattern: Pattern = "",
    channels: Channels = [],  # noqa: B006
    channel_names: ChannelNames = "",
    masks: Masks = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    test_fraction: Test = 0.0,
    exclude: Exclude = [],  # noqa: B006
    name: JobName = "",
    device: Device = "auto",
    devices: Annotated[str, typer.Option(help="Devices for runs side by side: cuda:0,cuda:1.")] = "",
    budget: Annotated[
        str,
        typer.Option(
            help="Budget of runs on training sets of different size: steps (equal steps, unless said) or passes (equal passes over "
            "their images)."
        ),
    ] = "",
    keep_models: Annotated[bool, typer.Option("--keep-models", help="Weights of every run are kept.")] = False,
    detach: Detach = False,
    prepare: Prepare = False,
    report: Annotated[
        str, typer.Option(help="Job of a comparison: write its tables from what is finished, and stop.")
    ] = "",
    home: Home = None,
) -> None:
    """Compare ways to train (arms): the same data, budget and seeds for each.

    An interrupted comparison goes on with `medssl jobs resume`.
    """
    from medssl.core.home import home_folder
    from medssl.jobs.store import JobStore

    store = JobStore(home_folder(home))
    if report:
        write_report(store, report)
        return
    given: dict[str, Any] = {
        "task": task, "metric": metric, "reference": reference, "preset": preset, "seeds": seeds, "train_on": train_on,
        "groups": groups, "keep_models": keep_models, "budget": budget, "devices": [d for d in devices.split(",") if d],
        "arms": _arms(arms, arm_settings, partial_weights), "fractions": _numbers("fractions", fractions),
        "patients": _numbers("patients", patients), "per_class": _numbers("per_class", per_class),
    }  # fmt: skip
    over = parse_settings([*settings, *([f"labels={labels}"] if labels else [])])
    more: dict[str, Any] = {"masks": masks, "test_fraction": test_fraction}
    more |= {"channels": tuple(channels), "channel_names": channel_names}
    if _is_comparison_file(data):
        _refuse_given(context, OF_DATA if arms else (*OF_DATA, "partial_weights"))
    study, wanted = _study(data, lambda: data_spec(data, pattern, modality, validation_fraction, exclude, **more))
    study |= {key: value for key, value in given.items() if value}
    study["config"] = merge(study.get("config") or {}, over)
    _run(store, JobSpec("compare", "compare", study, wanted, name=name, device=_device(device, study)), prepare, detach)


def _device(wanted: str, study: dict[str, Any]) -> str:
    """The device of the job: of a comparison on several devices it holds one, and waits for the others."""
    return study["devices"][0] if wanted == "auto" and study.get("devices") else wanted


def _is_comparison_file(data: list[str]) -> bool:
    return len(data) == 1 and Path(data[0]).suffix.lower() in COMPARISON_FILES


def _refuse_given(context: typer.Context, names: Sequence[str]) -> None:
    """Refuse options that were given and that a comparison file would pass over in silence.

    Raises:
        CatalogError: such an option.
    """
    given = [one.opts[0] for one in context.command.params if one.name in names and is_given(context, one.name)]
    if given:
        raise CatalogError(
            given[0], "does not count beside a comparison file", "Leave it out, or write it into the file",
            code="option-not-counting",
        )  # fmt: skip


def _study(data: list[str], spec: Callable[[], DataSpec]) -> tuple[dict[str, Any], DataSpec]:
    """The settings and data of a comparison: of its file, or none and what the options say.

    Raises:
        ConfigError: no data.
    """
    if _is_comparison_file(data):
        return _of_file(Path(data[0]))
    if not data:
        raise ConfigError(
            "data", "is missing", "Give a catalogue CSV, a folder or a comparison file", code="data-missing"
        )
    return {}, spec()


def _of_file(path: Path) -> tuple[dict[str, Any], DataSpec]:
    """The comparison that a file describes, and its data.

    Raises:
        ConfigError: the file cannot be read, or names no data.
    """
    study = read_settings(str(path))
    where = study.pop("data", None)
    if not where:
        raise ConfigError(
            f"comparison file {path}", "names no data", "Add data: {path: catalogue.csv}", code="data-missing"
        )
    study["arms"] = [_beside(arm, "weights", path) for arm in study.get("arms") or []]
    return study, from_json(DataSpec, _beside(where, "path", path))


def _run(store: Any, spec: JobSpec, prepare: bool, detach: bool) -> None:
    from medssl.studies.comparison.check import read_study

    if spec.config.get("groups") or spec.config.get("train_on"):
        from medssl.studies.comparison.data import check_columns

        check_columns(read_study(spec.config), spec.data, store.home)
    if prepare:
        prepare_job(store, spec)
        return
    folder, status = run_job(store, spec, detach)
    if status == 0:
        _print_table(folder)
    raise typer.Exit(status or 0)


def write_report(store: Any, job: str) -> None:
    """Write the report of what is finished; print its table and where it lies."""
    from medssl.studies.comparison.run import report

    page = report(store.folder(job))
    _print_table(store.folder(job))
    say(page)


def _print_table(folder: Path) -> None:
    out.print((folder / "results" / "table.md").read_text(encoding="utf-8"), markup=False, highlight=False)


def _arms(arms: list[str], settings: list[str], partial: bool) -> list[dict[str, Any]]:
    """The arms of `genesis=model.safetensors` and `genesis:training.steps=5`.

    Raises:
        ConfigError: no equals sign, or a setting of an arm that is not there.
    """
    made: dict[str, dict[str, Any]] = {}
    for text in arms:
        name, equals, weights = text.partition("=")
        if not equals or name in made:
            rule = "is given twice" if equals else "lacks an equals sign"
            remedy = "Write --arm scratch= --arm genesis=model.safetensors"
            raise ConfigError(f"--arm {text}", rule, remedy, code="arm-repeated" if equals else "arm-without-weights")
        made[name] = {"name": name, "weights": weights, "partial": partial and bool(weights), "config": {}}
    for text in settings:
        name, _, assignment = text.partition(":")
        if name not in made:
            remedy = "Write --arm-set NAME:SETTING=VALUE, after --arm NAME="
            raise ConfigError(f"--arm-set {text}", "names no arm", remedy, code="arm-unknown")
        made[name]["config"] = merge(made[name]["config"], parse_settings([assignment]))
    return list(made.values())


def _numbers(unit: str, text: str) -> list[float]:
    try:
        return [LISTS[unit](part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        value, rule = f"--{unit.replace('_', '-')} {text}", "is not a list of numbers"
        raise ConfigError(value, rule, "Write 5,10,20", code="not-numbers") from error


def _beside(entry: dict[str, Any], name: str, file: Path) -> dict[str, Any]:
    """The entry with its path: in a comparison file relative to it; job ids and missing files stay as they are."""
    path = file.parent / str(entry.get(name) or "")
    return {**entry, name: str(path)} if entry.get(name) and path.exists() else entry
