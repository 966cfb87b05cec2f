"""The real server process: address file, ports, one a home, jobs that outlive it, footprint."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import psutil
import pytest
from filelock import FileLock
from refusals import refused

from medssl.client import api, backend
from medssl.client.session import Session
from medssl.client.transport import RequestsTransport
from medssl.core.protocol import spec_from_json
from medssl.jobs.store import JobStore
from medssl.server import ALREADY_RUNS
from medssl.server.serve import _listen, serve


@pytest.fixture
def start(home, until):
    """Start servers over the home; none is left behind."""
    children = []

    def start(*arguments: str) -> subprocess.Popen:
        command = [*backend.start_command(sys.executable, home), "--kinds", "fake_kinds:KINDS", *arguments]
        environment = {**backend.environment(), "PYTHONPATH": os.environ["PYTHONPATH"]}
        children.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture
def running(start, home, until):
    child = start()
    return child, until(lambda: backend.find(home))


def test_the_address_is_the_owners_alone_and_goes_with_the_server(running, home):
    child, address = running
    if os.name != "nt":
        assert (home / "server.json").stat().st_mode & 0o777 == 0o600
    assert address.pid == child.pid and address.url.startswith("http://127.0.0.1:") and len(address.token) > 30
    assert address.token not in repr(address)
    backend.stop(address)
    assert child.wait(20) == 0
    assert not (home / "server.json").exists() and backend.find(home) is None


def test_sigterm_ends_it_cleanly(running, home):
    child, _ = running
    child.terminate()
    child.wait(20)
    if os.name != "nt":
        assert not (home / "server.json").exists()


def test_a_second_server_on_the_same_home_is_refused(running, home, start):
    _, address = running
    with refused("server-running", names=address.url):
        serve(home)
    second = start()
    assert second.wait(20) == ALREADY_RUNS and address.url.encode() in second.stdout.read()
    assert backend.find(home) == address


def test_a_server_on_another_machine_that_shares_the_home_is_named(home):
    written = {"url": "http://127.0.0.1:40123", "token": "t", "pid": 1, "started": 0.0, "proof": True, "host": "gpu07"}
    (home / "server.json").write_text(json.dumps(written))
    with FileLock(home / "server.lock"), refused("server-running", names=("40123 on gpu07", "MEDSSL_HOME")):
        serve(home)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a last word")
def test_the_address_of_another_server_stays(running, home):
    child, _ = running
    written = json.loads((home / "server.json").read_text())
    assert (written["host"], written["pid"]) == (socket.gethostname(), child.pid)
    (home / "server.json").write_text(json.dumps(written | {"host": "gpu07"}))
    child.terminate()
    child.wait(20)
    assert json.loads((home / "server.json").read_text())["host"] == "gpu07"


def test_a_home_on_a_disk_without_locks_is_named(home, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="Windows has other locks")

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with refused("no-file-locks", names=(str(home), "MEDSSL_HOME")):
        serve(home)


def test_a_taken_port_is_named(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with refused("port-unavailable", names=f"127.0.0.1:{port}"):
            serve(home, port=port)
    assert not (home / "server.json").exists()
    with refused("port-unavailable", names="192.0.2.1"):
        serve(home, host="192.0.2.1")


def test_a_dead_servers_address_is_not_believed_and_a_new_one_takes_over(running, home, start, until):
    child, address = running
    child.kill()
    child.wait()
    assert (home / "server.json").exists() and backend.find(home) is None
    start()
    assert until(lambda: backend.find(home)).token != address.token


def test_a_job_outlives_its_server_and_the_next_one_knows_all_of_it(running, home, spec, start, until):
    child, address = running
    before = Session(RequestsTransport(address))
    job = before.send(api.submit(spec_from_json(spec(name="count to 60")))).id
    until(lambda: before.send(api.events(job))["next"] > 3)
    child.kill()
    child.wait()
    start()
    session = Session(RequestsTransport(until(lambda: backend.find(home))))
    seen = []
    assert session.wait(job, seen.append).status.state == "finished"
    assert [event["n"] for event in seen] == list(range(62))


def test_the_worker_ends_with_its_server(running, home, until):
    _, address = running
    session = Session(RequestsTransport(address))
    session.send(
        api.Call("POST", "/inspect/check", {"Content-Type": "application/json"}, b'{"data": {"path": "/nowhere"}}')
    )
    worker = until(lambda: psutil.Process(address.pid).children())[0]
    psutil.Process(address.pid).kill()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_a_wrong_token_is_told_by_the_client(running):
    _, address = running
    wrong = Session(RequestsTransport(backend.ServerAddress(address.url, "wrong")))
    with refused("server-unproven"):
        wrong.send(api.jobs())
    unasked = Session(RequestsTransport(backend.ServerAddress(address.url, "wrong", proof=False)))
    with refused("token-wrong"):
        unasked.send(api.jobs())


def test_it_imports_neither_torch_nor_simpleitk_and_is_small(running):
    _, address = running
    session = Session(RequestsTransport(address))
    session.send(api.methods()), session.send(api.jobs()), session.send(api.models())
    process = psutil.Process(address.pid)
    assert process.memory_info().rss < 100e6
    if hasattr(process, "memory_maps"):
        loaded = " ".join(region.path for region in process.memory_maps()).lower()
        assert "libtorch" not in loaded and "simpleitk" not in loaded


def test_what_the_server_imports(fakes_importable):
    code = (
        "import sys, medssl.server.serve, medssl.client.session;"
        "print([m for m in ('torch', 'SimpleITK', 'monai', 'scipy', 'numba') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_wait_for_a_server_is_patient_but_bounded(home, tmp_path):
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    begun = time.monotonic()
    with refused("backend-silent"):
        backend.start(sleeper, home, timeout_s=0.3)
    assert time.monotonic() - begun < 30


def test_small_answers_are_not_held_back():
    with _listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on connections of such sockets only


def test_a_deaf_job_whose_server_died_after_the_cancel_is_ended_by_the_next(running, home, spec, start, until):
    child, address = running
    session = Session(RequestsTransport(address))
    job = session.send(api.submit(spec_from_json(spec("misbehave", "deaf")))).id
    until(lambda: session.send(api.events(job))["next"] == 1)
    pid = session.send(api.job(job)).status.pid
    session.send(api.cancel(job))
    child.kill()
    child.wait()
    assert psutil.pid_exists(pid)
    store = JobStore(home)
    asked = store.folder(job) / "cancel"
    os.utime(asked, (time.time() - 3600,) * 2)  # the grace period has long been over
    start()
    until(lambda: store.status(job).state == "cancelled")
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_hundreds_of_half_sent_heads_starve_nobody(start, home, until):
    """With room for 256 open files, as macOS gives; before there were places, 400 of them left none for anybody."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    if ours[0] < 700:
        pytest.skip("this process may not open the 500 sockets that it needs")
    resource.prlimit((child := start()).pid, resource.RLIMIT_NOFILE, (256, 256))
    address = until(lambda: backend.find(home))
    host, port = address.url.removeprefix("http://").split(":")
    with ExitStack() as opened:
        for _ in range(500):
            one = opened.enter_context(socket.create_connection((host, int(port)), timeout=20))
            one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.")
        assert backend.find(home) == address
        session = Session(RequestsTransport(address))
        assert session.send(api.jobs()) == [] and child.poll() is None


def make_certificate(folder):
    """A self-made certificate for another name than the tests ask for, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, which makes the certificate of this test")
    files = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=gpu01", "-out", str(files[0]), "-keyout", str(files[1])]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_tls_with_a_self_made_certificate(start, home, until, certificate, tmp_path):
    start("--certificate", str(certificate[0]), "--key", str(certificate[1]))
    address = until(lambda: backend.find(home))
    assert address.url.startswith("https://127.0.0.1:") and address.certificate == str(certificate[0])
    session = Session(RequestsTransport(address))
    assert session.send(api.jobs()) == []
    with refused("backend-silent"):  # to whom has no copy of it, the certificate is worth nothing
        RequestsTransport(replace(address, certificate="")).send(api.jobs())
    with refused("backend-silent"):
        RequestsTransport(replace(address, url=address.url.replace("https", "http"))).send(api.jobs())
    other = make_certificate(tmp_path)[0]
    assert not backend.is_healthy(replace(address, certificate=str(other)))
    with refused("backend-silent"):
        RequestsTransport(replace(address, certificate=str(other))).send(api.jobs())
    backend.stop(address)


def test_forwarded_headers_are_not_believed(running, home, until):
    _, address = running
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "Forwarded": "for=6.6.6.6"}
    RequestsTransport(address).send(replace(api.jobs(), headers=headers))
    log = home / "audit.jsonl"  # written after the answer
    until(lambda: log.exists() and log.read_text())
    assert [json.loads(line)["peer"] for line in log.read_text().splitlines()] == ["127.0.0.1"]


def test_a_certificate_that_cannot_be_used_is_named(home, certificate, tmp_path):
    with refused("certificate-alone", names=str(certificate[0])):
        serve(home, certificate=certificate[0])
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    for pair in ((wrong, certificate[1]), (certificate[0], wrong), (tmp_path / "none", certificate[1])):
        with refused("certificate-unusable", names=str(pair[0])):
            serve(home, certificate=pair[0], key=pair[1])
    assert not (home / "server.json").exists()
