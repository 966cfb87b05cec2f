"""`/dataset-specs`: for the panel's form."""

from __future__ import annotations

from medssl.client import api
from medssl.client.session import Session
from medssl.datasets.spec.spec_files import READY_MADE

MINE = {"name": "mine", "root": "/data", "tables": ["x.csv"], "kind": "binary", "labels": ["A"]}


def session(client) -> Session:
    def send(call: api.Call):
        answer = client.request(call.method, call.path, headers=call.headers, content=call.body)
        assert answer.status_code < 300, answer.text
        return call.read(answer.status_code, answer.content)

    return Session(type("Transport", (), {"send": staticmethod(send)})())


def test_ready_made_ones_without_a_root(client):
    made = session(client).dataset_specs()
    assert tuple(made) == READY_MADE
    assert made["shenzhen"]["root"] == "" and made["shenzhen"]["kind"] == "binary"


def test_a_file_here_and_a_text_from_elsewhere(client, tmp_path):
    asker = session(client)
    text = asker.dataset_spec_text(MINE)
    assert asker.read_dataset_spec(text=text)["root"] == "/data"
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("/data", "."), encoding="utf-8")
    assert asker.read_dataset_spec(str(file))["root"] == str(tmp_path.resolve())
    assert asker.read_dataset_spec(text=file.read_text())["root"] == ""  # nobody knows where that file lies


def test_mistakes_are_answered_with_their_remedy(client):
    answers = [
        client.post("/dataset-specs/read", json={"text": "name: a\nlabels: {b"}),
        client.post("/dataset-specs/read", json={"text": "[" * 3000}),
        client.post("/dataset-specs/read", json={"text": "name: &a [x, x]\nlabels: [*a, *a]"}),
        client.post("/dataset-specs/read", json={"path": "/nowhere.yaml"}),
        client.post("/dataset-specs/read", json={}),
        client.post("/dataset-specs/text", json={"spec": {**MINE, "kind": "bynary"}}),
        client.post("/dataset-specs/text", json={"spec": 3}),
    ]
    assert [answer.status_code for answer in answers] == [400] * 7
    assert all(answer.json()["error"]["remedy"] for answer in answers)
    assert all(len(answer.text) < 2000 for answer in answers)


def test_a_job_with_a_wrong_dataset_spec_is_refused(client, spec, tmp_path):
    asked = spec(method="ark", data={"sets": [{**MINE, "root": str(tmp_path)}]})
    answer = client.post("/jobs", json=asked)
    assert answer.status_code == 400 and "x.csv" in answer.json()["error"]["value"]
