"""Each guard against foreign files and folders is taken away, and its test must fail.

    python backend/tests/faults/guards_removed.py [WORD ...]

Runs one test for each guard (those whose names hold a WORD) in a process where the guard lets all pass. The exit status is 1 where a test
still passes: then it holds nothing.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
INTAKE = "images/formats/test_intake_guards.py"
NOTHING = "lambda *a, **k: None"
GUARDS = {  # guard -> what stands in its place, the test
    "images.formats.intake.streams:check_stream": (NOTHING, f"{INTAKE}::test_one_flipped_bit_of_packed_voxels_is_refused"),
    "images.formats.intake.place:check_place": (NOTHING, f"{INTAKE}::test_a_place_of_metaimage_that_no_reader_should_see"),
    "images.formats.intake.beside:beside": ("lambda header, name: header.parent / name", f"{INTAKE}::test_a_header_names_only_what_lies_below_its_own_folder"),
    "images.formats.guards:check_memory": (NOTHING, f"{INTAKE}::test_what_is_announced_is_compared_with_the_memory_and_the_setting_first"),
    "images.formats.nrrd_fields:canonical_lines": ("lambda header: header.splitlines(True)", f"{INTAKE}::test_a_place_of_nrrd_that_no_reader_should_see"),
    "images.formats.nrrd_fields:names_other_file": ("lambda header: False", "server/test_server_volumes.py::test_a_header_that_points_to_another_file_is_refused_in_every_spelling"),
    "images.dicom.packed_frames:check_frames": (NOTHING, f"{INTAKE}::test_the_size_inside_a_packed_frame_is_compared_with_the_header"),
    "networks.weights.file_kinds:_check_size": (NOTHING, "networks/weights/test_unsafe_files.py::test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_before_it_is"),
    "jobs.damaged:check_types": (NOTHING, "jobs/test_damaged_jobs.py::test_a_damaged_job_is_listed_with_its_reason_and_can_be_removed"),
    "jobs.damaged:sweep": (NOTHING, "jobs/test_damaged_jobs.py::test_what_killed_processes_left_is_cleaned_by_the_next_listing"),
    "jobs.damaged:event_of": ("lambda number, line: __import__('json').loads(line)", "jobs/test_damaged_jobs.py::test_a_damaged_line_of_events_keeps_its_number"),
    "core.errors:printable": ("lambda text: text", "jobs/test_damaged_jobs.py::test_half_a_character_and_names_that_are_no_text_travel"),
    "cli.output:visible": ("lambda text: text", "cli/test_terminal.py::test_nothing_of_a_name_moves_the_terminal"),
    "core.files:of_disk": (NOTHING, "cli/test_terminal.py::test_a_home_that_cannot_be_written_is_an_error_of_ours"),
    "core.tables:_is_formula": ("lambda field: False", "core/test_formulas.py::test_formulas_are_text_and_come_back"),
    "datasets.spec.spec_files:recognised": (NOTHING, "datasets/spec/test_dataset_spec.py::test_a_file_that_is_no_dataset_spec_is_not_quoted"),
    "core.home:in_home": ("lambda path, home: path", "core/test_moved_home.py"),
    "datasets.catalog.patients:patient_name": ("lambda patient_id, home, how='': patient_id", "datasets/test_names_of_patients.py"),
}  # fmt: skip


def pytest_configure() -> None:
    """As a plugin of pytest: take the guard away that $MEDSSL_GUARD names, wherever it was imported to."""
    module, _, name = os.environ["MEDSSL_GUARD"].partition(":")
    guard = getattr(importlib.import_module(f"medssl.{module}"), name)
    instead = eval(GUARDS[os.environ["MEDSSL_GUARD"]][0])  # from the table above
    guard.__code__, guard.__defaults__, guard.__kwdefaults__ = instead.__code__, instead.__defaults__, None


def main(words: list[str]) -> int:
    """Print a line for each guard."""
    held = 0
    for guard, (_, test) in GUARDS.items():
        if words and not any(word in guard for word in words):
            continue
        variables = {**os.environ, "MEDSSL_GUARD": guard, "PYTHONPATH": str(Path(__file__).parent)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-W",
            "ignore",
            "-p",
            "guards_removed",
            "-p",
            "no:cacheprovider",
            test,
        ]
        done = subprocess.run(command, cwd=TESTS, env=variables, capture_output=True, text=True)
        held += done.returncode == 0
        says = {0: "PASSES without it", 1: "fails without it"}.get(
            done.returncode, f"CANNOT BE RUN ({done.returncode})"
        )
        held += done.returncode > 1
        print(f"{guard:50} {says:18} {test}", flush=True)
    return int(held > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
