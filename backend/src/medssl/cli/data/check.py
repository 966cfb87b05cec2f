"""`medssl data …`: is this a usable training set, and what is kept on disk?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from medssl.cli.data.dataset_specs import Root, check_dataset_specs, spec, specs
from medssl.cli.data.stored import clear, purge, usage
from medssl.cli.help import verb
from medssl.cli.options import (
    AsJson,
    ChannelNames,
    Channels,
    Exclude,
    FillGaps,
    Folds,
    Home,
    Labels,
    Masks,
    Modality,
    Pattern,
    PlainIds,
    Test,
    Validation,
)
from medssl.cli.output import print_json, print_table
from medssl.cli.training_set import data_spec, dicom_options, means_dataset_spec, read_dataset_specs
from medssl.cli.working import working
from medssl.core.errors import CatalogError, counted
from medssl.core.home import home_folder
from medssl.core.protocol import ResultStatus, to_json
from medssl.core.requests import CheckRequest

app = typer.Typer(help="Look at training sets, and at what MedSSL keeps on disk.", no_args_is_help=True)
SHOWN = 100  # images that are listed even without a problem
PARTS = ("training", "validation", "test")


@verb(app, "check", 'medssl data check scans/ --pattern "*/ct.nii.gz"')
def check(
    data: Annotated[
        list[str],
        typer.Argument(help="A folder, a catalogue CSV, image files, or dataset specs (.yaml, or ready-made by name)."),
    ],
    pattern: Pattern = "",
    channels: Channels = [],  # noqa: B006
    channel_names: ChannelNames = "",
    modality: Modality = "",
    validation_fraction: Validation = 0.2,
    test_fraction: Test = 0.2,
    folds: Folds = 0,
    seed: Annotated[int, typer.Option(help="Seed of a pretraining (training.seed), which draws its split.")] = 0,
    masks: Masks = "",
    exclude: Exclude = [],  # noqa: B006
    root: Root = None,
    contents: Annotated[
        bool, typer.Option("--contents", help="Content of files compared too, to find duplicates (dataset specs).")
    ] = False,
    read_all: Annotated[
        bool,
        typer.Option("--read-all", help="Images all read, not a few (dataset specs) or their headers (from 2 GiB on)."),
    ] = False,
    sheet: Annotated[
        Optional[Path],  # noqa: UP045  typer reads the annotation at run time, on Python 3.10 too
        typer.Option(help="Folder for pictures of some images with their labels (dataset specs).", show_default=False),
    ] = None,
    labels: Labels = "",
    plain_ids: PlainIds = False,
    fill_gaps: FillGaps = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Check a training set: files, series, patients, modality, geometry, labels, and how each use would split it.

    Every file that cannot be used is listed with its reason. Dataset specs are checked for missing files, unknown labels,
    duplicates and patients in two splits. The exit status is 0 where all can be used, 1 where a file cannot, or no training
    is possible; what is left out by rule (localisers, label maps) does not count.
    """
    of_specs = {"--contents": contents, "--sheet": sheet}
    of_others = {
        "--pattern": pattern, "--channel": channels, "--channel-names": channel_names, "--modality": modality,
        "--folds": folds, "--seed": seed, "--masks": masks, "--exclude": exclude, "--labels": labels,
        "--plain-ids": plain_ids, "--fill-gaps": fill_gaps,
    }  # fmt: skip
    if root is not None or any(map(means_dataset_spec, data)):
        _refuse_given(
            of_others, "does not count for dataset specs", "Leave it out; a dataset spec says such things itself"
        )
        if not check_dataset_specs(
            read_dataset_specs(data, root), contents, sheet, validation_fraction, as_json, read_all
        ):
            raise typer.Exit(1)
        return
    _refuse_given(of_specs, "counts for dataset specs alone", "Leave it out, or write a dataset spec: medssl data spec")
    from medssl.handlers.worker.local import run_here

    more: dict[str, Any] = {"test_fraction": test_fraction, "folds": folds, "masks": masks}
    more |= {"channels": tuple(channels), "channel_names": channel_names, **dicom_options(plain_ids, fill_gaps)}
    chosen = data_spec(data, pattern, modality, validation_fraction, exclude, **more)
    request = CheckRequest(chosen, read_all, labels, seed)
    with working("reading") as status:
        result = run_here(
            "check",
            to_json(request),
            home_folder(home),
            None,
            lambda share, text: status.update(f"{share:.0%} {text}"),
        )
    if as_json:
        print_json({**result.info, "table": result.table})
    else:
        _show(result)
    if result.info["refused"]:
        raise typer.Exit(1)


def _refuse_given(options: dict[str, Any], rule: str, remedy: str) -> None:
    """Refuse options that were given and would be passed over in silence.

    Raises:
        CatalogError: such an option.
    """
    if given := next((name for name, value in options.items() if value), ""):
        raise CatalogError(given, rule, remedy, code="option-not-counting")


def _show(result: ResultStatus) -> None:
    """The images (those with problems, and the first), the columns of a table, and last one table of all that was found."""
    rows = [row for n, row in enumerate(result.table) if n < SHOWN or row.get("problem")]
    if rows:
        filled = [name for name in rows[0] if _differs(name, rows)]
        title = f"{len(rows)} of {counted(len(result.table), 'image')}; " if len(rows) < len(result.table) else ""
        title += f"the column split is that of {result.info['split_shown']}"
        print_table(filled, [[row[name] for name in filled] for row in rows], title)
    info = dict(result.info)
    columns, notes, bad, splits = info.pop("columns", {}), info.pop("notes"), info.pop("bad"), info.pop("splits")
    info.pop("split_shown")
    info = {name: value for name, value in info.items() if name not in PARTS}  # of one use: `splits` has them all
    if columns:
        counts = [
            (name, ", ".join(f"{value or 'unknown'} ({n})" for value, n in found.items()))
            for name, found in columns.items()
        ]
        print_table(("column", "values (images)"), counts)
    found = [(name.replace("_", " "), _cell(value)) for name, value in info.items() if value or value == 0]
    found += [(f"split for {use}", _images(counts)) for use, counts in splits.items()]
    found += [("cannot be used", f"{one['file']}: {one['reason']}") for one in bad]
    found += [("note", note) for note in notes[bool(bad) :]]  # the first names the files that cannot be used once more
    print_table(("found", ""), found)


def _differs(name: str, rows: list[dict[str, Any]]) -> bool:
    """Whether a column of the images is worth its width: what is the same in all of them stands in the summary."""
    if name in ("image", "split") or len(rows) == 1:
        return any(row[name] for row in rows)
    if name == "patient" and all(row["patient"] == row["image"] for row in rows):
        return False
    return len({str(row[name]) for row in rows}) > 1 or (name == "problem" and bool(rows[0][name]))


def _images(counts: dict[str, int]) -> str:
    """The parts of a split as "8 training, 2 validation, 2 test images"."""
    if not counts:
        return "not possible, see the note"
    whole = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{whole} {'image' if list(counts.values()) == [1] else 'images'}"


def _cell(value: object) -> object:
    """A mapping as "3 x localiser, 1 x RTSTRUCT"."""
    return ", ".join(f"{count} x {name}" for name, count in value.items()) if isinstance(value, dict) else value


verb(app, "usage", "medssl data usage")(usage)
verb(app, "clear", "medssl data clear cache")(clear)
verb(app, "purge", "medssl data purge results volumes --older-than 30 --yes")(purge)
verb(app, "spec", "medssl data spec chestxray14 --root /data/nih --output nih.yaml", old=("declare",))(spec)
verb(app, "specs", "medssl data specs", old=("sets",))(specs)
