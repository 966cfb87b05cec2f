"""The token goes to no stranger: after a crash another program may have the port of server.json."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from refusals import refused

from medssl.client import api, backend
from medssl.client.proven import PROVEN_S, Proven
from medssl.client.transport import RequestsTransport
from medssl.core.protocol import token_key, token_proof

TOKEN = "the-owners-token"
NAMED = "medssl_0123abcd_secret"


@pytest.fixture
def stranger():
    """Start a program on a port: `answers(path) -> (status, body)`; it keeps the headers of every request."""
    servers = []

    def start(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                heard.append(dict(self.headers))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = answers(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET

            def log_message(self, *_):
                """Say nothing."""

        heard: list[dict] = []
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", heard

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def proving(token: str):
    """What a server that knows the token answers."""

    def answers(path: str) -> tuple[int, bytes]:
        if path.startswith("/proof"):
            nonce = path.partition("nonce=")[2].partition("&")[0]
            return 200, json.dumps({"proof": token_proof(token_key(token), nonce)}).encode()
        return 200, b"[]"

    return answers


IMPOSTORS = {
    "says yes to everything": lambda path: (200, b'{"app": "medssl"}'),
    "knows another token": proving("another"),
    "an old answer": lambda path: (200, json.dumps({"proof": token_proof(token_key(TOKEN), "00" * 32)}).encode()),
    "no text": lambda path: (200, b'{"proof": null}'),
    "a list": lambda path: (200, b"[]"),
    "no JSON": lambda path: (200, b"<html>"),
    "asks for the token": lambda path: (401, b'{"error": {}}'),
    "sends elsewhere": lambda path: (302, b""),
    "is broken": lambda path: (500, b"x"),
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_a_stranger_on_the_old_port_never_gets_the_token(stranger, home, impostor):
    url, heard = stranger(IMPOSTORS[impostor])
    written = {"url": url, "token": TOKEN, "pid": 1, "started": 0.0, "proof": True}
    (home / "server.json").write_text(json.dumps(written))
    address = backend.read_address(home)
    assert backend.find(home) is None
    with refused("server-unproven"):
        RequestsTransport(address).send(api.jobs())
    with refused("backend-silent"):
        backend.stop(address)
    assert len(heard) >= 3 and not any("Authorization" in headers or TOKEN in str(headers) for headers in heard)


@pytest.mark.parametrize("token", [TOKEN, NAMED])
def test_a_server_that_knows_it_gets_it(stranger, token):
    url, heard = stranger(proving(token))
    transport = RequestsTransport(backend.ServerAddress(url, token))
    assert transport.send(api.jobs()) == [] and transport.send(api.jobs()) == []
    transport.close()
    assert ["Authorization" in headers for headers in heard] == [False, True, True]  # one proof for both
    assert backend.is_healthy(backend.ServerAddress(url, token))


def test_a_server_of_an_earlier_version_is_taken_by_its_server_json(stranger, home):
    def old(path: str) -> tuple[int, bytes]:
        return (200, b'{"app": "medssl"}') if path == "/health" else (401 if path.startswith("/proof") else 200, b"[]")

    url, heard = stranger(old)
    (home / "server.json").write_text(json.dumps({"url": url, "token": TOKEN, "pid": 1, "started": 0.0}))
    address = backend.find(home)
    assert address is not None and not any("Authorization" in headers for headers in heard)
    assert RequestsTransport(address).send(api.jobs()) == []


def test_a_proof_is_asked_for_again_after_silence_and_after_a_failure():
    now = [0.0]
    proven = Proven(backend.ServerAddress("http://x", "t"), clock=lambda: now[0])
    assert proven.needed()
    proven.answered()
    assert not proven.needed()
    now[0] = PROVEN_S
    assert proven.needed()
    proven.answered()
    proven.failed()
    assert proven.needed()
    assert not Proven(backend.ServerAddress("http://x", "t", proof=False)).needed()


def test_each_proof_has_a_nonce_of_its_own_and_shows_no_token():
    paths = {api.proof(NAMED).path for _ in range(20)}
    assert len(paths) == 20 and all("secret" not in path and "token=0123abcd" in path for path in paths)
