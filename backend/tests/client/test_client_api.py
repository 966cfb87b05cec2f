from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from refusals import refused

from medssl.client import api
from medssl.core.errors import ConfigError, NotFoundError
from medssl.core.protocol import DataSpec, JobSpec, JobStatus, JobView, ResultStatus, VolumeRef, to_json
from medssl.core.requests import RestoreRequest

VIEW = JobView("j-1", JobSpec("pretrain", "genesis", {}, DataSpec(path="/data")), JobStatus("running"), 3, ("log.txt",))


def test_views_come_back_as_they_were():
    body = json.dumps(to_json(VIEW)).encode()
    for call in (api.job("j-1"), api.submit(VIEW.spec), api.cancel("j-1"), api.resume("j-1")):
        assert call.parse(200, body) == VIEW
    assert api.jobs().parse(200, b"[" + body + b"]") == [VIEW]


def test_a_request_carries_all_its_fields():
    request = RestoreRequest(VolumeRef(sha256="a" * 64), "j-1", roi=((0, 8), (0, 8), (0, 8)))
    call = api.restore(request)
    assert (call.method, call.path) == ("POST", "/inspect/restore")
    assert call.headers["Content-Type"] == "application/json"
    assert json.loads(call.body)["roi"] == [[0, 8], [0, 8], [0, 8]]
    result = ResultStatus("r-1", "restore", "queued", files=("a.nrrd",))
    assert call.parse(202, json.dumps(to_json(result)).encode()) == result


def test_names_are_quoted():
    assert api.job_file("j-1", "results/ö ä?.txt").path == "/jobs/j-1/files/results/%C3%B6%20%C3%A4%3F.txt"
    assert api.job("../x").path == "/jobs/..%2Fx"


def test_the_servers_error_is_raised_again():
    error = ConfigError("base_width = 0", "must be at least 4", "Take 8")
    with pytest.raises(ConfigError) as raised:
        api.submit(VIEW.spec).parse(400, json.dumps({"error": error.as_dict()}).encode())
    assert raised.value.as_dict() == error.as_dict()


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b"", b"[]", b'{"error": 5}', b'{"detail": "x"}'])
def test_a_strangers_error_is_no_riddle(body):
    with refused("foreign-answer", names="HTTP status 502"):
        api.health().parse(502, body)


def test_a_missing_volume_is_an_answer_but_a_missing_job_an_error():
    assert api.has_volume("a" * 64).parse(404, b"") is False
    assert api.has_volume("a" * 64).parse(200, b"") is True
    parts = NotFoundError("job 'x'", "does not exist").as_dict()
    with pytest.raises(NotFoundError):
        api.job("x").parse(404, json.dumps({"error": parts}).encode())


def test_pieces_say_where_they_belong():
    call = api.put_piece("a" * 64, b"12345", 10, 20)
    assert call.headers["Content-Range"] == "bytes 10-14/20"
    assert (call.parse(202, b""), call.parse(201, b""), call.parse(200, b"")) == (False, True, True)


def test_slicer_needs_nothing_but_its_own_python():
    allowed = {"numpy", "requests", "urllib3", "certifi", "idna", "charset_normalizer", "chardet", "medssl", "vtk"} | {
        "cython_runtime"
    }
    code = (
        "import sys; before = set(sys.modules)\n"
        "import medssl.client.api, medssl.client.backend, medssl.client.volumes, medssl.client.session\n"
        "found = {n.partition('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(sorted(n for n in found if not n.startswith('_')))"
    )
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert set(ast.literal_eval(found)) - allowed == set()
