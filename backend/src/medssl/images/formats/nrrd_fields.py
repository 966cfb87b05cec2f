"""Lines of an NRRD header as the readers compare them. Standard library only: the server asks here.

ITK ignores the case of a field's name; pynrrd ignores spaces around the name and bytes that are not ASCII, and takes
`name:=value` for a field. So a guard that asks pynrrd alone would not see the `Data File:` that ITK opens. Here a name is
compared without case, spaces, underscores and whatever else stands between its letters, by the check and by the reader.
"""

from __future__ import annotations

import re

DATA_FILE = "datafile"
KNOWN = (
    "content", "number", "type", "block size", "dimension", "space", "space dimension", "sizes", "spacings", "thicknesses",
    "axis mins", "axis maxs", "space directions", "centers", "centerings", "kinds", "labels", "units", "min", "max", "old min",
    "old max", "endian", "encoding", "line skip", "byte skip", "sample units", "space units", "space origin",
    "measurement frame", "data file",
)  # fmt: skip
CANONICAL = {name.replace(" ", ""): name for name in KNOWN}


def names_other_file(header: bytes) -> bool:
    """Whether any reader would look for the voxels in another file; of any spelling, however the line ends."""
    return any(_plain(line) == DATA_FILE for line in re.split(rb"[\r\n]", header))


def canonical_lines(header: bytes) -> list[bytes]:
    """The lines of a header, magic line first, with each field of the standard under its own name.

    Raises:
        ValueError: a field that is there twice (in any spelling), or a line that some readers end elsewhere than others.
    """
    if re.search(rb"\r(?!\n)", header):
        raise ValueError("a line ends in a carriage return alone")
    magic, *lines = header.split(b"\n")
    found, seen = [magic.rstrip() + b"\n"], set[str]()
    for line in (line.rstrip() for line in lines):
        if not line or line.startswith(b"#"):
            continue
        _, colon, value = line.partition(b":")
        known = CANONICAL.get(_plain(line)) if colon else None
        if known and value.startswith(b"="):
            if known == "data file":  # a key of one's own for ITK, a field for pynrrd
                raise ValueError("the key 'data file' is also the name of a field")
            continue
        if known:
            if known in seen:
                raise ValueError(f"the field {known!r} is there twice")
            seen.add(known)
            line = known.encode() + b": " + value.strip()
        found.append(line + b"\n")
    return found


def _plain(line: bytes) -> str:
    """The field's name in small letters, without whatever else stands before the colon."""
    name, colon, _ = line.partition(b":")
    return re.sub(r"[^a-z0-9]", "", name.decode("ascii", "ignore").lower()) if colon else ""
