"""What differs from run to run although nothing has changed, and how it is left out: precisely, never a file as a whole."""

from __future__ import annotations

import base64
import io
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MASKED_FIELDS = {  # of JSON objects: times, durations, rates, processes and hosts
    "time", "created", "started", "ended", "heartbeat", "eta_s", "seconds", "index_s", "query_ms", "samples_per_s",
    "data_wait", "augmenting", "host", "pid", "pid_started",
}  # fmt: skip
EXEMPT_FIELDS = {"error": "code"}  # parent -> a field below it that may come or go: error codes
EXEMPT_FILES = {  # pattern of names -> why their content does not count; that they are there does, but for locks
    "*.lock": "empty",
    "events.out.tfevents.*": "TensorBoard's times and host; losses.csv holds the same numbers",
}
EXEMPT_FOLDERS = {"runs": "where a comparison's runs lie may change; outcomes and losses of all runs are another item"}
JOB_ID = re.compile(r"\d{8}-\d{6}-([A-Za-z_]+)-[0-9a-f]{4}\b")
RESULT_ID = re.compile(r"\d{8}-\d{6}-\d{3}-([a-z]+)-[0-9a-f]{4}\b")
COMMAND = re.compile(r"\bcommand-[0-9a-f]{8}\b")  # a command that does the work itself
SOURCE = re.compile(r"[^\s\"']*/(?:site-packages|src)/[^\s\"']*\.py:\d+")  # where a library warned
TENSORBOARD = re.compile(r"events\.out\.tfevents\.[^\s\"']+")
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
WRITTEN_ON = re.compile(r"^# on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\(GMT\)\.$", re.MULTILINE)  # a comment of NRRD headers
MASKED_HASHES = {  # files -> fields whose hashes are made of absolute paths ("*": all)
    "done.json": "digest",
    "sets.json": "*",
}
REWORDED = (  # (now, as it was recorded): sentences and names whose words changed, and nothing but the words
    ('"kind": "check"', '"kind": "catalog"'), ("<result check>", "<result catalog>"),
    ("was read from", "was told from"),
    ("is a class of no head", "is known to no head"),
    ("the numbers do not show how good the model is on new images", "the numbers do not tell how the model does on new images"), ("were read from", "were told from"),
    ("Choose a Foundation Ark model or a fine-tuned classifier of radiographs",
     "Choose a pretrained Ark, or a classifier of radiographs fine-tuned from PEAC or Ark"),
)  # fmt: skip
SHORT = 12  # digits of a weight file's hash in reports


class Masks:
    """Masks text.

    Attributes:
        places: folders by the names that stand for them, the longest first.
        jobs: names of jobs by their ids.
        weights: names of jobs by the hash of their weight file, whose header has the job's id.
    """

    def __init__(self, places: dict[str, str], jobs: dict[str, str]) -> None:
        self.places = sorted(places.items(), key=lambda pair: -len(pair[1]))
        self.jobs, self.weights = jobs, {}

    def know_weights(self, file: Path, name: str) -> None:
        """Mask the hash of this weight file from now on."""
        self.weights[sha256(file.read_bytes()).hexdigest()] = name

    def text(self, text: str) -> str:
        """Paths, ids, places in sources and embedded pictures by what they stand for."""
        for name, folder in self.places:
            text = text.replace(folder, f"<{name}>")
        for job, name in self.jobs.items():
            text = text.replace(job, f"<job {name}>")
        for digest, name in self.weights.items():
            text = text.replace(digest, f"<weights of {name}>").replace(digest[:SHORT], f"<weights of {name}>")
        text = PICTURE.sub(lambda found: f"<picture {pixels(base64.b64decode(found[1]))}>", text)
        for pattern, instead in (
            (JOB_ID, r"<job \1>"), (RESULT_ID, r"<result \1>"), (COMMAND, "<command>"), (SOURCE, "<source>"),
            (TENSORBOARD, "<tensorboard>"), (WRITTEN_ON, "# on <time>"),
        ):  # fmt: skip
            text = pattern.sub(instead, text)
        for now, before in REWORDED:
            text = text.replace(now, before)
        return text

    def json(self, value: Any, file: str = "") -> str:
        """A JSON value of a file, a line for each entry of its outermost object or list: differences are found at once."""
        value = without_hashes(without_times(value), MASKED_HASHES.get(file, ""))
        if isinstance(value, dict):
            lines = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in value.items()]
        else:
            lines = [json.dumps(one) for one in value] if isinstance(value, list) else [json.dumps(value)]
        return self.text("\n".join(lines))


def without_times(value: Any, parent: str = "") -> Any:
    """A word instead of masked fields, unless they were `null`; exempt ones gone."""
    if isinstance(value, list):
        return [without_times(one, parent) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if EXEMPT_FIELDS.get(parent) != name}
    return {
        name: "masked" if name in MASKED_FIELDS and isinstance(one, (int, float, str)) else without_times(one, name)
        for name, one in kept.items()
    }  # fmt: skip


def without_hashes(value: Any, field: str) -> Any:
    """An object without what its `field` holds (all fields: "*")."""
    if not field:
        return value
    return {name: "masked" if field in (name, "*") else one for name, one in value.items()}


def pixels(png: bytes) -> str:
    """A picture's mode, size and the hash of its pixels: compressors may differ."""
    with Image.open(io.BytesIO(png)) as picture:
        content = np.asarray(picture)
        return f"{picture.mode} {picture.size[0]}x{picture.size[1]} {sha256(content.tobytes()).hexdigest()}"
