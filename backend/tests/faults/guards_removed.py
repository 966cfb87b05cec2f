"""Each guard against foreign files, folders and clients is taken away, and its test must fail.

    python backend/tests/faults/guards_removed.py [WORD ...]

Runs one test for each guard (those whose names hold a WORD) in processes where the guard lets all pass, servers and jobs that the test starts
among them. The exit status is 1 where a test still passes: then it holds nothing.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
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
    "networks.weights.file_kinds:_check_size": (NOTHING, "networks/weights/test_damaged_files.py::test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_before_it_is"),
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
    "server.gate.access:AccessRules.foreign": (NOTHING, "server/test_server_access.py::test_a_foreign_host_is_refused"),
    "server.gate.access:AccessRules.closed": (NOTHING, "server/test_server_access.py::test_a_wrong_token_is_refused"),
    "server.gate.access:AccessRules.oversize": (NOTHING, "server/test_server_access.py::test_a_body_beyond_its_bound_is_refused_before_it_is_read"),
    "server.gate.access:_bounded": ("lambda receive, limit: receive", "server/test_server_access.py::test_a_body_without_a_length_is_counted"),
    "server.gate.connections:GuardedProtocol.check": (NOTHING, "server/test_server_connections.py::test_a_stalled_piece_gives_its_volume_back_and_the_offset_is_the_true_one"),
    "server.gate.connections:Places._end_one": (NOTHING, "server/test_server_connections.py::test_half_sent_heads_take_nobody_elses_place"),
    "server.gate.rate:Rate.take": ("lambda self, name: 0.0", "server/test_server_tokens.py::test_a_named_token_that_asks_too_often_is_put_off_and_nobody_else"),
    "server.routes.inspect:_ended": ("_in_a_thread", "server/test_server_connections.py::test_waiting_requests_take_no_thread"),
    "server.results:ResultStore.written": ("lambda self, result: __import__('time').monotonic()", "server/test_server_inspect.py::test_an_inspection_that_reports_nothing_is_ended_and_the_queue_goes_on"),
    "server.bodies:strictly": ("lambda kind, text: __import__('pydantic').TypeAdapter(kind).validate_json(text)", "server/test_server_document.py::test_a_type_that_is_only_near_is_refused"),
    "server.bodies:known_query": ("lambda request: None", "server/test_server_document.py::test_a_query_parameter_that_means_nothing_is_refused"),
    "jobs.process:enforce_asked": ("lambda *a, **k: ()", "server/test_serve.py::test_a_deaf_job_whose_server_died_after_the_cancel_is_ended_by_the_next"),
    "client.proven:Proven.needed": ("lambda self: False", "client/test_client_proof.py::test_a_stranger_on_the_old_port_never_gets_the_token"),
}  # fmt: skip


async def _in_a_thread(worker, result, seconds):  # type: ignore[no-untyped-def]  # stands for server.routes.inspect._ended
    await run_in_threadpool(__import__("time").sleep, seconds)  # type: ignore[name-defined]  # noqa: F821


def take_away(name: str) -> None:
    """Take a guard away in this process, wherever it was imported to."""
    module, _, path = name.partition(":")
    *owners, last = path.split(".")
    holder = importlib.import_module(f"medssl.{module}")
    for owner in owners:
        holder = getattr(holder, owner)
    guard, instead = getattr(holder, last), eval(GUARDS[name][0])  # from the table above
    guard.__code__, guard.__defaults__, guard.__kwdefaults__ = instead.__code__, instead.__defaults__, None


def main(words: list[str]) -> int:
    """Print a line for each guard."""
    held = 0
    for guard, (_, test) in GUARDS.items():
        if words and not any(word in guard for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            at_start = f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
            at_start += f"import guards_removed\nguards_removed.take_away({guard!r})\n"
            (Path(folder) / "sitecustomize.py").write_text(at_start, encoding="utf-8")
            command = [sys.executable, *["-m", "pytest", "-q", "-x", "-W", "ignore", "-p", "no:cacheprovider"], test]
            done = subprocess.run(
                command, cwd=TESTS, env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True
            )
        held += done.returncode == 0
        says = {0: "PASSES without it", 1: "fails without it"}.get(
            done.returncode, f"CANNOT BE RUN ({done.returncode})"
        )
        held += done.returncode > 1
        why = next((line for line in done.stdout.splitlines() if line.startswith("E ")), "")
        print(f"{guard:50} {says:18} {test}\n    {why[:200]}", flush=True)
    return int(held > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
