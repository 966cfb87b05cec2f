"""A new inspection is a request class, a handler and a line: route, document, client, session and command follow."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import numpy as np
import pytest
import typer
from fastapi.testclient import TestClient
from refusals import refused
from toy_inspection import INSPECTIONS, BrightnessRequest
from typer.testing import CliRunner

from medssl import handlers
from medssl.cli.inspection.generated import add_commands
from medssl.client import api
from medssl.client.session import Session
from medssl.client.verbs import verb
from medssl.core.errors import ConfigError, InputError
from medssl.core.protocol import VolumeRef
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.server.app import create_app

LINE = INSPECTIONS["brightness"]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The line in the table, as every face finds it when it starts; the worker's process gets its own by name."""
    monkeypatch.setitem(handlers.INSPECTIONS, "brightness", LINE)
    monkeypatch.setattr(Session, "brightness", verb("brightness", LINE), raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def image(tmp_path: Path) -> VolumeRef:
    write_volume(Volume(np.full((4, 4, 4), 7, np.int16), name="grey"), tmp_path / "grey.nrrd")
    return VolumeRef(path=str(tmp_path / "grey.nrrd"))


@pytest.fixture
def server(tmp_path: Path):
    app = create_app(tmp_path / "home", "t", inspections="toy_inspection:INSPECTIONS")
    with TestClient(app, base_url="http://127.0.0.1:1", headers={"Authorization": "Bearer t"}) as client:
        yield client


@pytest.fixture
def session(server) -> Session:
    class Transport:
        def send(self, call: api.Call):
            answer = server.request(call.method, call.path, headers=call.headers, content=call.body)
            return call.parse(answer.status_code, answer.content)

    return Session(Transport())


def test_the_session_asks_the_server_and_its_worker(session, image, tmp_path):
    told = []
    result = session.brightness(image, lambda share, message: told.append(share), offset=1.5, words=["a", "b"])
    assert result.kind == "brightness" and result.table == ({"name": "grey", "mean": 8.5},) and told
    assert [path.read_text() for path in session.save(result, tmp_path / "out")] == ["a b"]
    assert session.brightness(BrightnessRequest(image)).table[0]["mean"] == 7


def test_the_document_has_the_route_and_its_fields(server):
    document = server.get("/openapi.json").json()
    assert document["paths"]["/inspect/brightness"]["post"]["summary"] == LINE.summary
    schema = document["components"]["schemas"]["BrightnessRequest"]
    assert schema["required"] == ["volume"] and schema["additionalProperties"] is False
    assert schema["properties"]["offset"]["description"] == "Offset that is added (0 to 100)"


@pytest.mark.parametrize(
    "change, value, rule",
    [
        ({"colour": 1}, "colour", "is unknown"),
        ({"volume": {"path": "/x", "nmae": "y"}}, "volume.nmae", "is unknown"),
        ({"volume": {}}, "volume ''", "needs either a path or a SHA-256"),
        ({"offset": "much"}, "offset = 'much'", "valid number"),
        ({"offset": 101}, "offset = 101.0", "must be between 0 and 100"),
        ({"words": 3}, "words = 3", "valid array"),
    ],
)
def test_what_is_wrong_is_named(server, change, value, rule):
    answer = server.post("/inspect/brightness", json={"volume": {"path": "/x"}, **change})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["value"] == value and rule in error["rule"] and error["remedy"]


def test_the_call_and_the_request_of_the_client(image):
    call = api.brightness(BrightnessRequest(image, 2.0))
    assert (call.method, call.path, json.loads(call.body)["offset"]) == ("POST", "/inspect/brightness", 2.0)
    assert api.brightness(BrightnessRequest(image), 1.5).path == "/inspect/brightness?wait=1.5"
    assert "brightness" in dir(api)
    with pytest.raises(AttributeError, match="darkness"):
        _ = api.darkness
    with refused("setting-out-of-range"):
        BrightnessRequest(image, -1.0)


def test_the_verb_explains_itself():
    assert list(inspect.signature(Session.brightness).parameters) == [
        "self",
        "volume",
        "on_progress",
        "offset",
        "words",
    ]
    assert "How bright is an image" in Session.brightness.__doc__ and "(0 to 100)" in Session.brightness.__doc__


def test_the_command_has_an_option_per_field(image, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    app = typer.Typer()
    app.callback()(lambda: None)
    add_commands(app)
    shown = CliRunner().invoke(app, ["brightness", "--help"], env={"COLUMNS": "200"}).output
    assert "Average brightness of an image." in shown and "Offset that is added (0 to 100)." in shown
    arguments = [
        "brightness",
        image.path,
        "--offset",
        "2",
        "--word",
        "x",
        "--word",
        "y",
        "--output",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (
        "grey" in done.output and "words.txt in" in done.output and (tmp_path / "o" / "words.txt").read_text() == "x y"
    )
    again = CliRunner().invoke(app, arguments).exception
    assert isinstance(again, InputError) and "holds an earlier result" in again.rule
    wrong = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "p"), "--offset", "200"]).exception
    assert isinstance(wrong, ConfigError)
