"""Names of NRRD header fields as the readers compare them. Standard library only: the server asks here."""

from __future__ import annotations

import re

DATA_FILE = "datafile"


def names_other_file(header: bytes) -> bool:
    """Whether any reader would look for the voxels in another file.

    ITK ignores the case of a field's name and ends a line at a lone carriage return too; pynrrd ignores spaces around the
    name and bytes that are not ASCII, and takes `name:=value` for a field. All that, and any sign between the two words, is
    taken together here: refusing a spelling that no reader understands costs nothing.
    """
    return any(_plain(line) == DATA_FILE for line in re.split(rb"[\r\n]", header))


def _plain(line: bytes) -> str:
    """The field's name in small letters, without whatever else stands before the colon."""
    name, colon, _ = line.partition(b":")
    return re.sub(r"[^a-z0-9]", "", name.decode("ascii", "ignore").lower()) if colon else ""
