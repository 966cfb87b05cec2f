"""More than one person: named tokens, roles, their rate, and the audit log."""

from __future__ import annotations

import json
import os

import pytest
from fake_inspections import TOKEN
from fastapi.testclient import TestClient
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app as commands
from medssl.core.protocol import spec_from_json, token_id, token_key, token_proof
from medssl.jobs.store import JobStore
from medssl.server.app import create_app
from medssl.server.gate.audit import AuditLog
from medssl.server.gate.rate import Rate
from medssl.server.gate.tokens import LOOK, RUN, TokenFile

OWNER = {"Authorization": f"Bearer {TOKEN}"}
OWN_FILES = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def audit(home) -> list[dict]:
    return [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]


def test_a_named_token_opens_the_server_until_it_is_revoked(stranger, home):
    tokens = TokenFile(home)
    token = tokens.add("Ada L.", RUN)
    assert stranger.get("/jobs", headers=bearer(token)).status_code == 200
    assert stranger.get("/jobs", headers=bearer(token[:-1])).status_code == 401
    assert stranger.get("/jobs", headers=OWNER).status_code == 200
    other = tokens.add("Bob", RUN)
    tokens.revoke("Ada L.")
    assert stranger.get("/jobs", headers=bearer(token)).status_code == 401  # at once
    assert stranger.get("/jobs", headers=bearer(other)).status_code == 200


def test_who_may_look_may_only_look(app, stranger, home, spec):
    look = bearer(TokenFile(home).add("Ada", LOOK))
    job = JobStore(home).create(spec_from_json(spec()))
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/events", "/models", "/methods"):
        assert stranger.get(path, headers=look).status_code == 200, path
    assert stranger.head(f"/volumes/{'0' * 64}", headers=look).status_code == 404
    changing = [
        (method.upper(), path.format(job=job, sha256="0" * 64, result="x", name="x"))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method not in ("get", "head")
    ]
    assert len(changing) > 15
    for method, path in changing:
        answer = stranger.request(method, path, headers=look)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "role-refused", (method, path)
    assert JobStore(home).status(job).state == "queued" and not (home / "jobs" / job / "cancel").exists()


@OWN_FILES
def test_tokens_are_kept_as_hashes_for_the_owner_alone(home):
    token = TokenFile(home).add("Ada", RUN)
    path = home / "tokens.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text() and token.split("_", 2)[2] not in path.read_text()
    assert json.loads(path.read_text())[0]["key"] == token_key(token)


def test_a_damaged_token_file_lets_the_owner_in_alone(stranger, home, capsys):
    token = TokenFile(home).add("Ada", RUN)
    whole = (home / "tokens.json").read_text()
    for text in ("[", '[{"name": "x"}]', whole.replace('"run"', '"everything"'), '{"a": 1}'):
        (home / "tokens.json").write_text(text)
        assert stranger.get("/jobs", headers=bearer(token)).status_code == 401, text
        assert stranger.get("/jobs", headers=OWNER).status_code == 200
        with refused("tokens-damaged"):
            TokenFile(home).read()
    assert "tokens.json" in capsys.readouterr().err


def test_names_and_roles_are_checked(home):
    tokens = TokenFile(home)
    tokens.add("Ada", LOOK)
    for name in ("", "owner", "Owner", "a\nb", "x" * 61, "-rf", "\x1b[31m"):
        with refused("token-name"):
            tokens.add(name, LOOK)
    with refused("token-name-taken"):
        tokens.add("ADA", RUN)
    with refused("role-unknown", names="admin"):
        tokens.add("Bob", "admin")
    with refused("token-not-found", names="Bob"):
        tokens.revoke("Bob")


def test_the_commands_make_list_and_revoke(home):
    def run(*arguments: str):
        return CliRunner().invoke(commands, ["tokens", *arguments, "--home", str(home)])

    token = run("add", "Ada", "--role", "run").stdout.strip().splitlines()[-1]
    assert TokenFile(home).read()[0].key == token_key(token)
    listed = run("list", "--json").stdout
    assert json.loads(listed)[0]["name"] == "Ada" and "key" not in listed and token not in listed
    assert "Ada" in run("list").stdout
    assert run("revoke", "Ada").exit_code == 0 and TokenFile(home).read() == []


def test_a_server_proves_that_it_knows_a_token_and_no_other(stranger, home):
    token, nonce = TokenFile(home).add("Ada", LOOK), "ab" * 32
    for one in (TOKEN, token):
        answer = stranger.get(f"/proof?nonce={nonce}&token={token_id(one)}").json()
        assert answer == {"proof": token_proof(token_key(one), nonce)}
        assert one not in str(answer) and token_key(one) not in str(answer)
    assert stranger.get(f"/proof?nonce={nonce}&token=00000000").status_code == 404
    for nonce in ("", "ab", "AB" * 32, "ab" * 65, "zz" * 32):
        assert stranger.get(f"/proof?nonce={nonce}").status_code == 400


def test_a_rate_fills_again():
    now = [0.0]
    rate = Rate(2.0, burst=4, clock=lambda: now[0])
    assert [rate.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert rate.take("b") == 0.0
    now[0] = 0.5
    assert rate.take("a") == 0.0 and rate.take("a") > 0
    now[0] = 1000.0
    assert [bool(rate.take("a")) for _ in range(5)] == [False] * 4 + [True]
    assert not any(Rate(0).take("a") for _ in range(1000))


def test_a_named_token_that_asks_too_often_is_put_off_and_nobody_else(home, worker):
    app = create_app(home, TOKEN, worker=worker, kinds="fake_kinds:KINDS", rate=0.001)
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    busy, calm = (bearer(TokenFile(home).add(name, LOOK)) for name in ("busy", "calm"))
    assert client.get("/tasks", headers=busy).status_code == 200
    answer = client.get("/tasks", headers=busy)
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    assert client.get("/tasks", headers=calm).status_code == 200
    assert [client.get("/tasks", headers=OWNER).status_code for _ in range(5)] == [200] * 5


def test_the_audit_log_says_who_did_what_and_nothing_of_patients(stranger, home, spec):
    token = TokenFile(home).add("Ada", RUN)
    answer = stranger.post("/jobs", headers=bearer(token), json=spec(name="Mr Miller"))
    job = answer.json()["id"]
    stranger.get(f"/jobs/{job}/files/Miller.csv", headers={**OWNER, "X-Forwarded-For": "6.6.6.6"})
    stranger.get("/jobs/Miller-Hans?name=Miller")
    stranger.get("/health")
    entries = audit(home)
    assert [(e["who"], e["method"], e["route"], e["status"], e["job"]) for e in entries] == [
        ("Ada", "POST", "/jobs", 201, job),
        ("owner", "GET", "/jobs/{job}/files/{name:path}", 404, job),
        ("-", "GET", "-", 401, ""),
    ]
    text = (home / "audit.jsonl").read_text()
    assert "Miller" not in text and token not in text and "6.6.6.6" not in text
    if os.name != "nt":
        assert (home / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_is_asked_again_and_again_is_counted(home):
    now = [1000.0]
    log = AuditLog(home, clock=lambda: now[0])
    for _ in range(50):
        log.note(who="owner", route="/jobs")
    log.note(who="owner", route="/models")
    now[0] = 1061.0
    log.note(who="owner", route="/jobs")
    assert [(e["route"], e.get("repeated")) for e in audit(home)] == [("/jobs", None), ("/models", None), ("/jobs", 49)]


def test_the_audit_log_rotates_and_a_full_disk_stops_no_answer(home, small_files_only, capsys):
    log = AuditLog(home, bytes_of_file=1000)
    for n in range(100):
        log.note(who="owner", n=n)
    files = sorted(path.name for path in home.glob("audit.jsonl*"))
    assert files == ["audit.jsonl", *(f"audit.jsonl.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in home.glob("audit.jsonl*"))
    size = (home / "audit.jsonl").stat().st_size
    with small_files_only(size):
        log.note(who="owner", n="beyond")
    log.close()
    assert "not written" in capsys.readouterr().err
