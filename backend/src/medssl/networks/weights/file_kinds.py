"""What kind of file it is, by its first bytes, and what to do with the kinds that hold no plain weights."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path

from medssl.core.errors import WeightsError
from medssl.images.formats.intake.memory import SETTING, most_bytes

ZIP, LARGEST_HEADER = b"PK\x03\x04", 100 * 2**20  # the limit of the safetensors format
UNZIP = (  # what Python raises on damaged archives
    zipfile.BadZipFile, ValueError, LookupError, struct.error, RuntimeError, EOFError, OSError, zlib.error, OverflowError,
)  # fmt: skip
CHUNK = 2**22  # bytes
END, END_WITHIN = b"PK\x05\x06", 2**16 + 22  # an archive's last record begins so, and this far from its end at most
OTHERS = {  # first bytes of what people mistake for weights
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"BZh": "compressed with bzip2: unpack it first",
    b"<htm": "a web page, such as a download that needed a login",
    b"<!DO": "a web page, such as a download that needed a login",
    b"vers": "a pointer of Git LFS, not the file itself: run git lfs pull",
}
ENDED = ("index out of range", "Ran out of input")  # what readers say that find nothing more
KNOWN = "Give a .pt, .pth, .ckpt or .safetensors weight file"


def is_safetensors(path: Path) -> bool:
    """Whether a file is to be read as safetensors: by its name, or because it begins like one."""
    if path.suffix == ".safetensors":
        return True
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and 2 <= struct.unpack("<Q", start[:8])[0] <= LARGEST_HEADER


def refuse_folder(path: Path) -> None:
    """Folders and indexes of weights that are spread over several files are not opened; the message says what to do.

    Raises:
        WeightsError: the path is one.
    """
    index = path if path.name.endswith(".index.json") else next(iter(sorted(path.glob("*.index.json"))), None)
    if index is not None and index.is_file():
        raise WeightsError(
            index, "lists weights that are spread over several files",
            "Put them into one: read each part, join their tensors in one dict, and write it with "
            "safetensors.torch.save_file", code="weights-in-several-files",
        )  # fmt: skip


def check_kind(path: Path) -> None:
    """Tell a file that PyTorch saved as weights from others.

    Raises:
        WeightsError: empty, cut, or of another kind, which the message names.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise WeightsError(path, "is empty", "Take another copy of the file", code="weights-damaged")
    if start[:4] == ZIP:
        return _check_zip(path)
    if start[257:262] == b"ustar":
        raise WeightsError(
            path, "was saved in the tar format of PyTorch before 0.1.10",
            "Load and save it again with an old PyTorch, if you trust it", code="weights-of-another-kind",
        )  # fmt: skip
    for first, what in OTHERS.items():
        if start.startswith(first):
            raise WeightsError(path, f"is {what}", KNOWN, code="not-a-weight-file")
    if start[:1] != b"\x80" or start[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise WeightsError(path, "is not a PyTorch file", KNOWN, code="not-a-weight-file")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            _check_size(path, archive)
            _check_sums(archive)
    except WeightsError:
        raise
    except UNZIP as error:
        refuse_cut(path, error)
        raise damaged(path, error) from error
    last = {name.rsplit("/", 1)[-1] for name in names}
    if "constants.pkl" in last:
        raise WeightsError(
            path, "is a TorchScript program, not a weight file",
            "Save its weights, if you trust it: torch.save(torch.jit.load(path).state_dict(), 'weights.pt')",
            code="weights-of-another-kind",
        )  # fmt: skip
    if "data.pkl" not in last:
        inside = ", ".join(names[:3])
        raise WeightsError(
            path, f"is an archive without PyTorch weights (it holds {inside or 'nothing'})",
            "Unpack it and give the weight file inside", code="not-a-weight-file",
        )  # fmt: skip


def _check_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose members unpack to more than the memory: PyTorch packs none, but its reader unpacks them.

    Raises:
        WeightsError: it does.
    """
    size, most = sum(member.file_size for member in archive.infolist()), most_bytes()
    if size > most:
        raise WeightsError(
            path, f"unpacks to {size / 2**30:,.1f} GiB, more than the {most / 2**30:.1f} GiB that are free or allowed",
            f"Take another copy, use a machine with more memory, or raise {SETTING} where that is set", code="weights-more-than-memory",
        )  # fmt: skip


def _check_sums(archive: zipfile.ZipFile) -> None:
    """Compare checksums, which PyTorch's reader does not: one flipped bit would be a wrong weight without a word.

    Files written without them have zeros in their place.

    Raises:
        zipfile.BadZipFile: one differs.
    """
    for member in archive.infolist():
        if member.CRC or member.compress_type != zipfile.ZIP_STORED:
            with archive.open(member) as content:
                while content.read(CHUNK):
                    pass


def refuse_cut(path: Path, error: Exception) -> None:
    """Say that a file lacks its end, where that is what is wrong with it.

    Raises:
        WeightsError: the file is cut.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == ZIP
        file.seek(max(0, path.stat().st_size - END_WITHIN))
        ended = END in file.read()
    text = str(error)
    short = isinstance(error, (EOFError, struct.error)) or text in ENDED or "unexpected EOF" in text
    if (zipped and not ended) or (not zipped and short):
        raise _cut(path) from error


def refuse_cut_safetensors(path: Path) -> None:
    """Say that a safetensors file is shorter than its header announces.

    Raises:
        WeightsError: the file is cut.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= LARGEST_HEADER:
            return
        header = file.read(length)
    try:
        found = json.loads(header) if len(header) == length else {}
        ends = [one["data_offsets"][1] for name, one in found.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    if whole > size:
        raise _cut(path, whole)


def _cut(path: Path, whole: int = 0) -> WeightsError:
    of = f" of {whole:,}" if whole else ""
    return WeightsError(
        path, f"is cut off: its end is missing ({path.stat().st_size:,}{of} bytes are there)",
        "Download or copy the file again", code="weights-cut",
    )  # fmt: skip


def damaged(path: Path, error: object) -> WeightsError:
    """The error of a file whose bytes make no sense."""
    text = str(error).split("\n")[0][:200] or type(error).__name__
    return WeightsError(path, f"is damaged ({text})", "Take another copy of the file", code="weights-damaged")
