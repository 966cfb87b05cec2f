"""Half-sent heads, bodies that stand still, and waits: a real server with short limits, over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import uvicorn
from fake_inspections import TOKEN

from medssl.client.volumes import nrrd_bytes
from medssl.server.gate.connections import ConnectionLimits, guarded
from medssl.server.routes.about import _Remembered

DATA = nrrd_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
SHA = hashlib.sha256(DATA).hexdigest()
HEAD = f"Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
LONG = ConnectionLimits(head_s=60, body_s=60)


@pytest.fixture
def serving(app):
    """Start the application behind real connections; returns the port."""
    started = []

    def start(limits: ConnectionLimits = LONG) -> int:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        server = uvicorn.Server(uvicorn.Config(app, http=guarded(limits), ws="none", log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        started.append((server, thread))
        return listening.getsockname()[1]

    yield start
    for server, thread in started:
        server.should_exit = server.force_exit = True
        thread.join(20)


@pytest.fixture
def connect():
    """Open sockets; all are closed at the end."""
    with contextlib.ExitStack() as opened:

        def connect(port: int, sent: str = "") -> socket.socket:
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            one.sendall(sent.encode())
            return one

        yield connect


def answer(one: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and headers of what comes; 0 where the server has closed."""
    text = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in text and (data := one.recv(4096)):
            text += data
    if not text:
        return 0, {}
    first, *lines = text.decode().partition("\r\n\r\n")[0].split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines)


def is_open(one: socket.socket) -> bool:
    one.settimeout(0.01)
    try:
        return one.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def health(connect, port: int, token: str = "") -> int:
    return answer(connect(port, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}\r\n"))[0]


def test_a_head_that_does_not_end_is_closed(serving, connect, until):
    port = serving(ConnectionLimits(head_s=2, body_s=60))
    half, silent = connect(port, "GET /health HTTP/1.1\r\nHost: 127"), connect(port)
    assert answer(half)[0] == 0 and answer(silent)[0] == 0
    again = connect(port, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert answer(again)[0] == 200
    again.sendall(b"GET /he")  # a second head on a kept connection counts anew
    until(lambda: not is_open(again))


def test_half_sent_heads_take_nobody_elses_place(serving, connect):
    port = serving(ConnectionLimits(head_s=60, strangers=8, known=4))
    known = connect(port, f"GET /jobs HTTP/1.1\r\n{HEAD}\r\n")
    assert answer(known)[0] == 200
    half = [connect(port, "GET /health HTTP/1.1\r\nHost: 127") for _ in range(30)]
    assert health(connect, port) == 200
    assert sum(map(is_open, half)) <= 8  # the oldest gave way
    known.sendall(f"GET /jobs HTTP/1.1\r\n{HEAD}\r\n".encode())
    assert answer(known)[0] == 200
    for _ in range(6):
        assert answer(connect(port, f"GET /jobs HTTP/1.1\r\n{HEAD}\r\n"))[0] == 200
    assert health(connect, port) == 200


def test_a_stalled_piece_gives_its_volume_back_and_the_offset_is_the_true_one(serving, connect):
    port = serving(ConnectionLimits(body_s=1))
    total, begin = len(DATA), f"PUT /volumes/{SHA} HTTP/1.1\r\n{HEAD}"
    stalled = connect(port, f"{begin}Content-Range: bytes 0-99/{total}\r\nContent-Length: 100\r\n\r\n")
    stalled.sendall(DATA[:7])
    assert answer(stalled)[0] == 0
    assert answer(connect(port, f"HEAD /volumes/{SHA} HTTP/1.1\r\n{HEAD}\r\n"))[1]["upload-offset"] == "7"
    rest = connect(port, f"{begin}Content-Range: bytes 7-{total - 1}/{total}\r\nContent-Length: {total - 7}\r\n\r\n")
    rest.sendall(DATA[7:])
    assert answer(rest)[0] == 201


def test_a_slow_body_is_no_stalled_one(serving, connect):
    port = serving(ConnectionLimits(body_s=1.5, body_bytes=10))
    slow = connect(port, f"PUT /volumes/{SHA} HTTP/1.1\r\n{HEAD}Content-Length: {len(DATA)}\r\n\r\n")
    for start in range(0, len(DATA), 40):
        slow.sendall(DATA[start : start + 40])
        time.sleep(0.25)
    assert answer(slow)[0] == 201


def test_waiting_requests_take_no_thread(serving, connect, home, until):
    """Forty threads answer; with more waits than that, a listing must still come before any of them is over."""
    port = serving()
    body = json.dumps({"volume": {"path": "/data/ct.nrrd"}, "model": "slow"})
    ask = f"POST /inspect/restore?wait=10 HTTP/1.1\r\n{HEAD}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    waits = [connect(port, ask) for _ in range(45)]
    until(lambda: (home / "results").is_dir() and len(list((home / "results").iterdir())) >= 45)
    assert answer(connect(port, f"GET /jobs HTTP/1.1\r\n{HEAD}\r\n"))[0] == 200
    for one in waits:
        one.settimeout(0.001)
        with pytest.raises(TimeoutError):
            one.recv(1)


def test_a_wait_ends_with_its_inspection(client):
    body = {"volume": {"path": "/data/ct.nrrd"}, "model": "good"}
    answer = client.post("/inspect/restore?wait=10", json=body)
    assert answer.status_code == 200 and answer.json()["state"] == "finished"
    answer = client.post("/inspect/restore?wait=0.01", json={**body, "model": "slow"})
    assert answer.status_code == 202 and answer.json()["state"] in ("queued", "running")


def test_a_slow_probe_is_asked_once_for_all_and_takes_no_thread_of_the_pool():
    asked, go = [], threading.Event()

    def probe():
        asked.append(threading.current_thread().name)
        go.wait(20)
        return ["cpu"]

    async def look():
        known = _Remembered(probe, valid_s=60)
        waits = [asyncio.ensure_future(known()) for _ in range(50)]
        await asyncio.sleep(0.05)
        waits.pop().cancel()  # one who leaves does not end it for the others
        go.set()
        return await asyncio.gather(*waits), await known()

    answers, later = asyncio.run(look())
    assert asked == ["probe"] and answers == [["cpu"]] * 49 and later == ["cpu"]


def test_a_failed_probe_is_not_remembered():
    answers = iter([OSError("no process"), ["cpu"]])

    def probe():
        found = next(answers)
        if isinstance(found, OSError):
            raise found
        return found

    async def look():
        known = _Remembered(probe, valid_s=60)
        with pytest.raises(OSError):
            await known()
        return await known()

    assert asyncio.run(look()) == ["cpu"]


def test_uploads_of_one_volume_from_several_at_once(serving, connect):
    port = serving()
    begin = f"PUT /volumes/{SHA} HTTP/1.1\r\n{HEAD}Content-Range: bytes 0-{len(DATA) - 1}/{len(DATA)}\r\n"

    def put(_: int) -> int:
        one = connect(port, f"{begin}Content-Length: {len(DATA)}\r\n\r\n")
        one.sendall(DATA)
        return answer(one)[0]

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(put, range(6))) == [200] * 5 + [201]
