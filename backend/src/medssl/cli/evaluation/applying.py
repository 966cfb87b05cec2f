"""A model over many images, in this process or as a job: what segment, predict, embed and evaluate --model do."""

from __future__ import annotations

import secrets
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.markup import escape

from medssl.cli.output import err, say
from medssl.cli.training_set import data_spec
from medssl.cli.working import Working, working
from medssl.core.errors import ConfigError, counted
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec, JobSpec, VolumeRef
from medssl.jobs.pace import duration_text


class TerminalRun:
    """The `core.run.Run` of a command that does the work itself."""

    def __init__(self, home: Path, device: str, status: Working) -> None:
        from medssl.jobs.devices import claims

        self.home, self.device, self.resume, self._status = home, claims(device)[0].device, False, status
        self.folder = Path(f"command-{secrets.token_hex(4)}")  # names the run; it writes to its output only

    def emit(self, type: str, **fields: Any) -> None:
        """Show warnings."""
        if type == "warning":
            remedy = f" {fields['remedy']}." if fields["remedy"] else ""
            err.print(f"[yellow]warning[/] {escape(fields['message'] + '.' + remedy)}", highlight=False)

    def progress(self, step: int, steps: int, message: str = "", eta_s: float | None = None) -> None:
        """Show how far it is."""
        left = f", about {duration_text(eta_s)} left" if eta_s else ""
        self._status.update(message + left)

    def cancel_requested(self) -> bool:
        """Ctrl-C ends the command; what is done stays, and the next run goes on from there."""
        return False


def split_name(split: str) -> str:
    """A split as it is called within, from what tables call it too (train, val); "" of none.

    Raises:
        ConfigError: no such split.
    """
    from medssl.datasets.entry import SPLIT_WORDS

    if split.lower() not in SPLIT_WORDS:
        raise ConfigError(f"--split {split}", "is unknown", "Use train, val or test", code="split-unknown")
    return SPLIT_WORDS[split.lower()]


def images_of(
    paths: list[str], pattern: str, modality: str, view: str, split: str = "", channels: Sequence[str] = ()
) -> DataSpec:
    """Files, a folder, a table or dataset specs; a view belongs to files, a split to tables, channels see `data_spec`.

    Raises:
        ConfigError: an unknown split.
    """
    from medssl.datasets.entry import SPLIT_WORDS  # here: a command's help needs no image reader

    wanted = split_name(split)
    others = [f"split={other}" for other in dict.fromkeys(SPLIT_WORDS.values()) if other != wanted] if wanted else []
    spec = data_spec(paths, pattern, modality, validation_fraction=0.2, exclude=others, channels=tuple(channels))
    if not view:
        return spec
    refs = spec.volumes or tuple(VolumeRef(path=path, modality=modality) for path in paths)
    return replace(spec, path="", volumes=tuple(replace(ref, view=view) for ref in refs))


def ark_settings(findings: list[str], heads: list[str], part: str) -> dict[str, str]:
    """The settings of `ApplyConfig` that choose among an Ark's heads."""
    return {"findings": "; ".join(findings), "heads": "; ".join(heads), "part": part or "auto"}


def apply_here(
    model: str,
    data: DataSpec,
    settings: dict[str, Any],
    device: str,
    home: Path | None,
    detach: bool,
    keep: Container[str] | None = None,
) -> list[dict[str, str]]:
    """Apply a model to images, of these to the ones that `keep` names as tables do; the rows of the index, none of a job.

    Raises:
        MedSSLError: see `medssl.tasks.apply.run.apply_model`.
    """
    from medssl.core.schema import as_dict, build
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.datasets.entry import shown
    from medssl.tasks.apply.config import ApplyConfig

    config = build(ApplyConfig, settings)
    folder = home_folder(home)
    if detach:
        from medssl.jobs import process
        from medssl.jobs.store import JobStore

        config = replace(config, output=str(Path(config.output).absolute()))  # the job runs in another folder
        spec = JobSpec("apply", "apply", as_dict(config), data, device=device, start_from=model)
        say(process.submit(JobStore(folder), spec))
        return []
    with working("reading the list of images") as status:
        from medssl.tasks.apply.columns import exclusive_columns
        from medssl.tasks.apply.run import apply_model

        run, catalog = TerminalRun(folder, device, status), read_catalog(data, folder, channels=True)
        if keep is not None:
            catalog = replace(catalog, entries=tuple(entry for entry in catalog if shown(entry) in keep))
        index = apply_model(model, catalog, config, run, exclusive_columns(data))
    return index.rows


def failures(rows: list[dict[str, str]]) -> int:
    """The exit status: 1 where an image failed, which was said when it did."""
    failed = sum(row["status"] != "done" for row in rows)
    if failed:
        err.print(f"{failed} of {counted(len(rows), 'image')} failed", highlight=False)
    return int(failed > 0)
