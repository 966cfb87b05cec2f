"""The server against its own OpenAPI document: `python backend/checks/attacks/schemathesis_run.py [--examples 50] [--packages FOLDER]`.

schemathesis is no dependency: `pip install --target FOLDER schemathesis`. For every operation it makes requests that the document
allows and requests that it forbids, and this holds that there is no 5xx, no undocumented status, header or content type, that nothing
forbidden is accepted, and that nothing allowed is refused, but for the reasons of `SEMANTIC`, which no schema can say.
The processes of jobs and inspections are left out: what they would do is not the document's matter.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

SEMANTIC = {  # codes of errors that depend on what is on the machine, on bytes, or on the relation of two numbers
    "sha256-mismatch", "content-range", "file-not-found", "not-nrrd", "channels-nested", "setting-out-of-range",
}  # fmt: skip
LEFT_OPEN = (
    "/jobs",
    "/dataset-specs/read",
    "/dataset-specs/text",
)  # settings of methods and dataset specs have no schema here
GENERIC = ("input", "field-missing", "field-unknown")  # what is said of shapes, also there
TOKEN = "token-of-the-check"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1"}


def make_app(home: Path) -> Any:
    """The application over an empty home, without the processes that it would start."""
    from medssl.jobs import process
    from medssl.server.app import create_app
    from medssl.server.routes.about import about_routes
    from medssl.server.worker_process import InspectionWorker

    class Worker(InspectionWorker):
        """Inspections that end at once."""

        def _one(self, result: str) -> None:
            self.results.end(result, None)

    about_routes.__defaults__ = (lambda: [],)  # the probe imports torch
    process.start = lambda *_arguments, **_options: None  # type: ignore[assignment]
    app = create_app(home, TOKEN, worker=Worker(home), upload_limit=10**6, grace_s=0.0)
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)  # else most requests that should be forbidden would only lack the token
    return app


def run(examples: int, only: str = "") -> dict[str, set[str]]:
    """Operation -> what is wrong with it."""
    import schemathesis

    wrong: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDSSL_HOME"] = home
        schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(Path(home)), headers=HEADERS)
        for found in schema.get_all_operations():
            operation = found.ok()
            if only not in operation.path:
                continue
            trial = Trial(operation)
            for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                trial.run(mode, examples)
            print(trial.label, dict(trial.counts), f"{len(trial.wrong)} wrong" if trial.wrong else "", flush=True)
            if trial.wrong:
                wrong[trial.label] = trial.wrong
    return wrong


class Trial:
    """Requests to one operation, and what is wrong with their answers.

    Attributes:
        wrong: sentences.
        counts: how many requests of a sort were made, and how many answers had a status.
    """

    def __init__(self, operation: Any) -> None:
        self._operation = operation
        self.label = f"{operation.method.upper()} {operation.path}"
        self.wrong: set[str] = set()
        self.counts: Counter[str] = Counter()

    def run(self, mode: Any, examples: int) -> None:
        """Make requests that the document allows, or forbids."""
        import hypothesis

        def one(case: Any) -> None:
            self._try(case, mode.name)

        settings = hypothesis.settings(
            max_examples=examples, deadline=None, database=None, derandomize=True, phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        try:
            settings(hypothesis.given(case=self._operation.as_strategy(generation_mode=mode))(one))()
        except hypothesis.errors.Unsatisfiable:
            self.counts[f"{mode.name}: nothing to vary"] += 1

    def _try(self, case: Any, mode: str) -> None:
        import schemathesis
        from schemathesis.core.failures import FailureGroup
        from schemathesis.specs.openapi import checks

        answer = case.call(headers=HEADERS)
        self.counts[mode] += 1
        self.counts[str(answer.status_code)] += 1
        for check in (
            schemathesis.checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
            checks.response_headers_conformance, checks.response_schema_conformance, checks.negative_data_rejection,
            checks.missing_required_header, checks.unsupported_method,
        ):  # fmt: skip
            try:
                case.validate_response(answer, checks=[check])
            except (AssertionError, FailureGroup) as error:
                reasons = getattr(error, "exceptions", [error])
                self.wrong.add(f"{check.__name__}: {str(reasons[0])[:800]}")
        if mode == "POSITIVE" and answer.status_code == 400:
            error = answer.json()["error"]
            is_open = self._operation.path in LEFT_OPEN and error["code"] not in GENERIC
            if error["code"] not in SEMANTIC and not is_open:
                sent = f"{case.query} {case.body!r}"[:600]
                self.wrong.add(f"allowed, but refused: {error['code']}: {error['message'][:300]} Sent: {sent}")


def main() -> int:
    """Print what is wrong; exit status 1 where something is, 77 where schemathesis is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="requests of each sort for an operation")
    parser.add_argument("--packages", default="", help="folder with schemathesis")
    parser.add_argument("--only", default="", help="part of the paths to try")
    options = parser.parse_args()
    if options.packages:
        sys.path.append(options.packages)
    try:
        import schemathesis  # noqa: F401
    except ImportError as error:
        print(f"left out: {error}; pip install --target FOLDER schemathesis, then --packages FOLDER")
        return 77
    wrong = run(options.examples, options.only)
    for label, found in wrong.items():
        print(f"\n{label}")
        for one in sorted(found)[:12]:
            print("  -", one.replace("\n", "\n    "))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
