"""The OpenAPI document says what the server does: the finds of `checks/attacks/schemathesis_run.py`, without it."""

from __future__ import annotations

import pytest

from medssl.handlers import INSPECTIONS
from medssl.server.app import create_app

REF = {"path": "/data/ct.nrrd"}
RESTORE = {"volume": REF, "model": "m"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def test_every_status_is_documented(app):
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            given = set(operation["responses"])
            assert "422" not in given and {"400", "403", "413"} <= given, path
            assert ("401" in given) == ("429" in given) == (path not in ("/health", "/proof"))
            assert ("404" in given) >= ("{" in path) or path.startswith("/volumes/"), path
    schemas = app.openapi()["components"]["schemas"]
    assert "Error" in schemas and "HTTPValidationError" not in schemas


def test_a_method_that_a_path_lacks_is_refused_with_those_it_has(app, client):
    for path, operations in app.openapi()["paths"].items():
        known = {method.upper() for method in operations}
        if path == "/results/{result}/cancel":  # to a GET it is a file of that name
            continue
        for method in set(METHODS) - known - {"HEAD"}:
            answer = client.request(method, path.replace("{name}", "x"))
            assert answer.status_code == 405, (method, path)
            assert known & set(answer.headers["allow"].split(", ")), (method, path)


def test_a_missing_token_says_what_is_wanted(stranger):
    assert stranger.get("/jobs").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "change",
    [{"strength": "0.5"}, {"seed": "1"}, {"seed": 1.5}, {"seed": True}, {"volume": {**REF, "inverted": 1}},
     {"volume": {**REF, "inverted": "yes"}}, {"volume": {**REF, "point": ["1", 2, 3]}}],
)  # fmt: skip
def test_a_type_that_is_only_near_is_refused(client, home, change):
    answer = client.post("/inspect/restore", json={**RESTORE, **change})
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "InputError"
    assert not (home / "results").exists()


def test_types_that_fit_are_taken(client):
    for change in (
        {"strength": 1},
        {"seed": 7.0},
        {"roi": [[0, 1], [0, 1], [0, 1]]},
        {"volume": {**REF, "labels": {"a": 1, "b": "x"}}},
    ):
        assert client.post("/inspect/restore", json={**RESTORE, **change}).status_code == 202, change


@pytest.mark.parametrize(
    ("body", "kind", "value", "rule"),
    [
        (b"{}", "text/plain", "Content-Type 'text/plain'", "is not JSON"),
        (b"{}", "", "Content-Type ''", "is not JSON"),
        (b"", "application/json", "body", "is not JSON (Expecting value)"),
        (b'{"kind": "\xff"}', "application/json", "body", "cannot be read as JSON"),
        (b"[" * 100_000, "application/json; charset=utf-8", "body", "cannot be read as JSON"),
    ],
)
@pytest.mark.parametrize("path", ["/jobs", "/inspect/restore"])
def test_a_body_that_is_no_json_is_refused(client, path, body, kind, value, rule):
    answer = client.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert {"value": value, "rule": rule}.items() <= answer.json()["error"].items()


def test_a_query_parameter_that_means_nothing_is_refused(client):
    assert client.post("/inspect/restore?wiat=2", json=RESTORE).status_code == 400
    answer = client.get("/jobs?after=2")
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "query-unknown"


def test_the_rules_of_fields_stand_in_the_document(home):
    schemas = create_app(home, "token").openapi()["components"]["schemas"]
    restore = schemas["RestoreRequest"]["properties"]
    assert restore["distortion"]["enum"][:2] == ["random", "none"]
    assert (restore["strength"]["minimum"], restore["strength"]["maximum"]) == (0, 1)
    assert restore["fidelity"]["enum"] == ["paper", "released", ""]
    assert schemas["DataSpec"]["properties"]["patient_ids"]["enum"] == ["hashed", "plain"]
    assert "pretrain" in schemas["JobSpec"]["properties"]["kind"]["enum"]
    assert len(schemas["VolumeRef"]["oneOf"]) == 2 and len(schemas["DataSpec"]["oneOf"]) == 3
    for inspection in INSPECTIONS.values():
        assert inspection.request.rpartition(":")[2] in schemas


@pytest.mark.parametrize("body", [{}, {"path": 5}, {"path": "x", "text": "y"}, {"text": "x", "more": 1}])
def test_a_dataset_spec_is_read_from_one_source(client, body):
    assert client.post("/dataset-specs/read", json=body).status_code == 400


def test_a_dataset_spec_as_text_takes_nothing_else(client):
    assert client.post("/dataset-specs/text", json={"spec": {}, "more": 1}).status_code == 400


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "x" * 300, "a/" * 3000 + "x", "x\x00y"])
def test_a_path_that_cannot_be_is_refused(client, spec, path):
    for change in ({"start_from": path}, {"data": {"path": path}}, {"data": {"volumes": [{"path": path}]}}):
        answer = client.post("/jobs", json={**spec(), **change})
        assert answer.status_code in (400, 404), (answer.text[:200], list(change))
    assert client.post("/dataset-specs/read", json={"path": path}).status_code == 400
