"""The routes of inspections over radiographs: bodies, uploads, waiting for a quick answer, what is kept of a moving mouse."""

from __future__ import annotations

import pytest

from medssl.core.protocol import ResultStatus
from medssl.server.results import QUICK_KEPT, ResultStore

IMAGES = [{"path": "/data/a.png"}, {"path": "/data/b.png"}]
CLICK = {"images": IMAGES, "model": "m", "x": 3, "y": 4.5}
BODIES = {
    "correspond": {"images": IMAGES, "model": "m"},
    "similarity": CLICK,
    "cosegment": {"images": IMAGES, "model": "m"},
    "patchmap": {"images": IMAGES, "model": "m"},
    "landmarks": {"data": {"path": "/data/catalog.csv"}, "models": ["m"], "landmarks": "/data/landmarks.csv"},
}


@pytest.mark.parametrize("kind", list(BODIES))
def test_every_inspection_has_a_route_and_a_schema(client, kind):
    answer = client.post(f"/inspect/{kind}", json=BODIES[kind])
    assert answer.status_code == 202 and answer.json()["kind"] == kind
    wrong = client.post(f"/inspect/{kind}", json={**BODIES[kind], "colour": 1})
    assert wrong.status_code == 400 and "colour" in wrong.json()["error"]["value"]
    document = client.get("/openapi.json").json()
    body = document["paths"][f"/inspect/{kind}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].rsplit("/", 1)[1] in document["components"]["schemas"]


def test_a_quick_answer_is_waited_for(client):
    answer = client.post("/inspect/similarity?wait=9", json=CLICK)
    assert answer.status_code == 200 and answer.json()["state"] == "finished"
    assert answer.json()["info"] == {"x": 3}


def test_what_takes_longer_answers_as_always(client):
    answer = client.post("/inspect/similarity?wait=0.05", json={**CLICK, "model": "slow"})
    assert answer.status_code == 202 and answer.json()["state"] in ("queued", "running")
    client.post(f"/results/{answer.json()['id']}/cancel")


def test_what_fails_in_time_is_told_at_once(client):
    answer = client.post("/inspect/similarity?wait=9", json={**CLICK, "model": "foreign"})
    assert answer.status_code == 200 and answer.json()["error"]["type"] == "WeightsError"


@pytest.mark.parametrize("change", [{"x": "left"}, {"images": "a.png"}, {"images": [{"path": ""}]}, {"dense": 1.5}])
def test_bodies_of_the_wrong_type_are_refused(client, change):
    assert client.post("/inspect/similarity", json={**CLICK, **change}).status_code == 400


@pytest.mark.parametrize("wait", ["-1", "long", "nan"])
def test_waiting_times_that_are_none_are_refused(client, wait):
    assert client.post(f"/inspect/similarity?wait={wait}", json=CLICK).status_code == 400


def test_an_image_that_was_not_uploaded_is_missed(client):
    missing = {**CLICK, "images": [*IMAGES, {"sha256": "0" * 64, "name": "third"}]}
    answer = client.post("/inspect/similarity", json=missing)
    assert answer.status_code == 404 and "third" in answer.json()["error"]["value"]


def test_a_moving_mouse_pushes_no_other_result_out(home):
    results = ResultStore(home, quick=["similarity"])
    asked = results.create("correspond", {}).id
    results.write(ResultStatus(asked, "correspond", "finished"))
    for _ in range(100):
        last = results.create("similarity", {}).id
        results.write(ResultStatus(last, "similarity", "finished"))
    left = {path.name for path in (home / "results").iterdir()}
    assert {asked, last} <= left and len(left) <= QUICK_KEPT + 2
