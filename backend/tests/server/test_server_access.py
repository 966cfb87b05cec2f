from __future__ import annotations

import pytest


def error_of(answer) -> dict:
    error = answer.json()["error"]
    assert set(error) == {"type", "code", "value", "rule", "remedy", "message"}
    return error


def test_only_health_and_proof_are_open(app, stranger):
    assert stranger.get("/health").json() == {"app": "medssl", "version": "0.1.0", "api": 1}
    paths = {*app.openapi()["paths"], "/docs", "/redoc", "/openapi.json", "/nothing", "/health/"}
    for path in paths - {"/health", "/proof"}:
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD"):
            assert stranger.request(method, path).status_code == 401, (method, path)


@pytest.mark.parametrize(
    "authorization",
    ["", "a-token", "Bearer", "Bearer ", "Bearer A-token", "Bearer a-token2", "Basic a-token", "Bearer ü"],
)
def test_a_wrong_token_is_refused(stranger, authorization):
    answer = stranger.get("/jobs", headers={"Authorization": authorization.encode()})
    assert answer.status_code == 401 and error_of(answer)["type"] == "AccessError"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5", "localhost:8000", "[::1]:8000", "gpu01", "LOCALHOST"])
def test_own_names_are_answered(client, host):
    assert client.get("/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "[::1", "", "127.0.0.1@evil.example"]
)
def test_a_foreign_host_is_refused(client, host):
    answer = client.get("/jobs", headers={"Host": host})
    assert answer.status_code == 403 and error_of(answer)["type"] == "AccessError"
    assert client.get("/health", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:8001", ""]
)
def test_a_foreign_origin_is_refused(client, origin):
    assert client.post("/jobs", headers={"Origin": origin}, json={}).status_code == 403


def test_the_own_origin_passes(client):
    assert client.get("/jobs", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


def test_a_body_beyond_its_bound_is_refused_before_it_is_read(client):
    answer = client.post("/jobs", content=b"{}", headers={"Content-Length": str(2**40)})
    assert answer.status_code == 413 and "2**" not in error_of(answer)["rule"]


def test_a_body_without_a_length_is_counted(client):
    def endless():
        for _ in range(40):
            yield b" " * 2**20

    answer = client.post("/jobs", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413 and error_of(answer)["type"] == "InputError"


def test_errors_of_the_framework_have_the_same_shape(client):
    assert error_of(client.get("/nothing"))["type"] == "NotFoundError"
    assert client.get("/jobs/x/events?after=minus").status_code == 400
    assert error_of(client.get("/jobs/x/events?after=minus"))["type"] == "InputError"
    assert client.patch("/jobs").status_code == 405 and error_of(client.patch("/jobs"))
    for body in (b"not json", b"[1]", b""):
        answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, body
        assert error_of(answer)["type"] == "InputError"
