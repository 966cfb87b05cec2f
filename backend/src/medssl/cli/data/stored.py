"""`medssl data usage | clear | purge`: what a home folder holds of whom, how large it is, and how it goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from medssl.cli.options import AsJson, Home
from medssl.cli.output import out, print_json, print_table
from medssl.core.errors import InputError, MedSSLError, StateError, counted
from medssl.core.files import read_json
from medssl.core.home import home_folder
from medssl.core.protocol import END_STATES, QUEUED, RUNNING
from medssl.jobs.damaged import NEW, REMOVED, delete
from medssl.jobs.store import JobStore

DAY_S = 86_400.0
SHOWN = 20  # entries that a dry run names


@dataclass(frozen=True)
class Kind:
    """A part of the home folder.

    Attributes:
        patterns: of its entries (files or folders), below the home folder.
        holds: in words, and whose.
        purged: whether `purge` may delete it.
    """

    patterns: tuple[str, ...]
    holds: str
    purged: bool = True


KINDS = {
    "jobs": Kind(("jobs/*",), "settings with paths of files, names of patients (hashed or as tables give them), pictures, models"),
    "volumes": Kind(("volumes/*.nrrd",), "images that Slicer sent"),
    "cache": Kind(("cache/*",), "images of training sets, unpacked"),
    "results": Kind(("results/*",), "images and pictures that inspections made"),
    "indexes": Kind(("indexes/*",), "thumbnails and embeddings of sets that were searched"),
    "samples": Kind(("samples/*",), "public images"),
    "models": Kind(("models/*",), "weight files put there by hand", purged=False),
    "logs": Kind(("*.log", "*.log.*", "audit.jsonl*"), "paths of files, errors"),
    "leftovers": Kind(("volumes/*.part", f"jobs/{NEW}*", f"jobs/{REMOVED}*"), "what killed processes and broken uploads left"),
    "secrets": Kind(("server.json", "patient-key*", "tokens*"), "the token of the running server, the key of patients' names", purged=False),
    "locks": Kind(("locks", "server.lock"), "nothing", purged=False),
}  # fmt: skip
CLEARABLE = ("cache", "volumes", "results", "indexes")  # what can be made or sent again
IN_USE = (*CLEARABLE, "samples", "leftovers")  # what a running job may need


def usage(as_json: AsJson = False, home: Home = None) -> None:
    """List what MedSSL keeps in its home folder: what it holds, how large and how old it is."""
    folder = home_folder(home)
    rows: list[dict[str, Any]] = []
    known: set[Path] = set()
    for name, kind in KINDS.items():
        entries = list(entries_of(folder, kind))
        known |= {folder / entry.relative_to(folder).parts[0] for entry in entries}
        rows.append({"kind": name, **_sum(entries), "holds": kind.holds})
    known |= {
        folder / pattern.partition("/")[0] for kind in KINDS.values() for pattern in kind.patterns if "/" in pattern
    }
    others = [entry for entry in folder.iterdir() if entry not in known] if folder.is_dir() else []
    rows.append({"kind": "others", **_sum(others), "holds": "what MedSSL did not put there"})
    if as_json:
        print_json({"home": str(folder), "kinds": rows})
        return
    cells = [
        (row["kind"], row["entries"], f"{row['bytes'] / 2**20:.1f} MiB", _day(row["oldest"]), row["holds"])
        for row in rows
    ]
    print_table(("kind", "entries", "size", "oldest", "holds"), cells, str(folder))


def clear(
    what: Annotated[str, typer.Argument(help="cache, volumes (uploads), results or indexes (of similar cases).")],
    home: Home = None,
) -> None:
    """Delete what can be made or sent again: the cache, uploaded volumes, results or indexes."""
    folder = home_folder(home)
    if what not in CLEARABLE:
        remedy = f"Use one of {', '.join(CLEARABLE)}; samples and jobs have `delete`, all have `medssl data purge`"
        raise InputError(what, "cannot be cleared", remedy, code="not-clearable")
    _check_idle(folder)
    freed = size_of(folder / what)
    delete(folder / what)
    out.print(f"{freed / 2**20:.1f} MiB freed", highlight=False)


def purge(
    kinds: Annotated[
        list[str], typer.Argument(help=f"{', '.join(name for name, kind in KINDS.items() if kind.purged)}.")
    ],
    older_than: Annotated[
        float | None,
        typer.Option(min=0, help="Days since the entry was last changed; without it, all.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it, only list what would be deleted.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what of some kinds would be deleted, and with --yes delete it; running jobs and inspections stay.

    Nothing is overwritten: see docs/security.md.
    """
    folder = home_folder(home)
    for name in kinds:
        if name not in KINDS or not KINDS[name].purged:
            known = ", ".join(one for one, kind in KINDS.items() if kind.purged)
            raise InputError(name, "cannot be purged", f"Use {known}", code="not-purgeable")
    if yes and set(kinds) & set(IN_USE):
        _check_idle(folder)
    limit = time.time() - (older_than or 0.0) * DAY_S
    chosen = {
        name: [entry for entry in entries_of(folder, KINDS[name]) if older_than is None or changed(entry) <= limit]
        for name in dict.fromkeys(kinds)
    }
    chosen = {
        name: [entry for entry in entries if not _at_work(folder, name, entry)] for name, entries in chosen.items()
    }
    freed = sum(size_of(entry) for entries in chosen.values() for entry in entries)
    if yes:
        for name, entries in chosen.items():
            for entry in entries:
                _remove(folder, name, entry)
    if as_json:
        print_json(
            {
                "deleted": yes,
                "bytes": freed,
                "entries": {name: [str(one) for one in entries] for name, entries in chosen.items()},
            }
        )
        return
    listed = [(name, entry.name, f"{size_of(entry) / 2**20:.1f} MiB", _day(changed(entry))) for name, entries in chosen.items() for entry in entries] if not yes else []  # fmt: skip
    if listed:
        print_table(("kind", "entry", "size", "changed"), listed[:SHOWN], names=2)
    count = counted(sum(map(len, chosen.values())), "entry").replace("entrys", "entries")
    said = "were deleted" if yes else "would be deleted; add --yes to delete them"
    out.print(f"{count}, {freed / 2**20:.1f} MiB {said}.", highlight=False, markup=False)


def entries_of(home: Path, kind: Kind) -> Iterator[Path]:
    """The entries of a kind; leftovers are no jobs, pieces of uploads no volumes."""
    for pattern in kind.patterns:
        for entry in sorted(home.glob(pattern)):
            if not entry.name.startswith(".") or pattern.rpartition("/")[2].startswith("."):
                yield entry


def size_of(entry: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count nothing."""
    paths = entry.rglob("*") if entry.is_dir() and not entry.is_symlink() else [entry]
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


def changed(entry: Path) -> float:
    """When an entry was last changed: of a folder, the newest file in it."""
    paths = [entry, *(entry.rglob("*") if entry.is_dir() and not entry.is_symlink() else ())]
    return max(path.lstat().st_mtime for path in paths)


def _sum(entries: list[Path]) -> dict[str, float]:
    ages = [changed(entry) for entry in entries]
    return {"entries": len(entries), "bytes": sum(map(size_of, entries)), "oldest": min(ages, default=0.0)}


def _at_work(home: Path, name: str, entry: Path) -> bool:
    """Whether somebody still writes it: a job or an inspection that has not ended."""
    if name == "jobs":
        try:
            return JobStore(home).view(entry.name).status.state in (QUEUED, RUNNING)
        except MedSSLError:  # no job by its name: not ours to delete
            return True
    if name == "results":
        try:
            return read_json(entry / "status.json")["state"] not in END_STATES
        except (OSError, ValueError, KeyError, TypeError):
            return False
    return False


def _remove(home: Path, name: str, entry: Path) -> None:
    if name == "jobs":
        JobStore(home).remove(entry.name)
    else:
        delete(entry)


def _check_idle(home: Path) -> None:
    """Raises StateError: a job runs or waits, and may need what would be deleted."""
    for view in JobStore(home).list():
        if view.status.state in (QUEUED, RUNNING):
            rule = f"is {view.status.state} and may need them"
            raise StateError(f"job {view.id}", rule, "Cancel it, or wait", code="job-active")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if seconds else ""
