"""Every `medssl …` line of the README and of the list of commands is a call that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

from medssl.cli.app import app
from medssl.datasets.catalog.from_csv import read_csv
from medssl.studies.batch.check import read_batch

README = Path(__file__).resolve().parents[3] / "README.md"
COMMANDS = README.parent / "docs" / "commands.md"


def commands() -> list[str]:
    """Lines of code blocks and inline code that start with `medssl `."""
    text = README.read_text(encoding="utf-8") + COMMANDS.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```\n(.*?)```", text, flags=re.S))
    lines = [line.split("#")[0].strip() for line in blocks.splitlines() if line.startswith("medssl ")]
    return [*lines, *(inline for inline in re.findall(r"`(medssl [^`…]+)`", text))]


@pytest.mark.parametrize("line", commands())
def test_the_call_parses(line: str):
    arguments = shlex.split(line)[1:]
    command, context = typer.main.get_command(app), None
    while arguments and hasattr(command, "commands") and arguments[0] in command.commands:
        command = command.commands[arguments.pop(0)]
    assert not hasattr(command, "commands"), f"{line}: no such verb"
    missing = [p for p in command.params if p.required and p.param_type_name == "argument"]
    context = command.make_context("medssl", arguments or ["x"] * len(missing), resilient_parsing=False)
    assert context.params


def test_the_row_of_the_catalogue_can_be_read(tmp_path: Path):
    (table,) = re.findall(r"```\n(image,patient.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    header, row = (line.split(",") for line in table.splitlines())
    for column in ("image", "mask"):
        file = tmp_path / row[header.index(column)]
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
    (tmp_path / "catalogue.csv").write_text(table)
    (entry,) = read_csv(tmp_path / "catalogue.csv", "CXR")
    assert (entry.patient, entry.split, entry.mask) == ("P0001", "training", tmp_path / "masks" / "0001.png")
    assert entry.labels == {"Effusion": 1.0, "Edema": 0.0, "age": 63.0} and entry.attributes["sex"] == "F"


def test_the_batch_file_is_one(tmp_path: Path, monkeypatch):
    (block,) = re.findall(r"```yaml\n(.*?)```", COMMANDS.read_text(encoding="utf-8"), flags=re.S)
    monkeypatch.chdir(tmp_path)
    for name in ("scans", "unseen"):
        (tmp_path / name).mkdir()
    (tmp_path / "scans.csv").write_text("image,patient\na.nrrd,a\n")
    batch = read_batch({"items": yaml.safe_load(block)})
    assert [item.needs for item in batch.items] == [set(), {"pre"}, {"seg"}]


def test_the_words_are_explained_before_the_examples():
    text = README.read_text(encoding="utf-8")
    explained, used = text.index("## Methods and words"), text.index("## Use it in Slicer")
    for word in ("**Ark**", "**head**", "**Student and teacher**", "**Arm**", "**Patch map**"):
        assert explained < text.index(word) < used


def test_the_make_targets_exist():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", README.read_text(encoding="utf-8"), flags=re.M)):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
