"""Routes of fine-tuned models: requests reach the worker whole; images and label maps must have been uploaded."""

from __future__ import annotations

MISSING = "0" * 64


def test_requests_reach_the_worker_with_their_fields(client, home, until):
    image = {"path": "/data/ct.nrrd", "labels": {"age": 40.0}}
    asked = {
        "segment": {"volume": image, "model": "m", "overlap": 0.5, "mirror": True},
        "predict": {"images": [image, image], "model": "m", "test_time": "mirror"},
    }
    for kind, request in asked.items():
        answer = client.post(f"/inspect/{kind}", json=request)
        assert answer.status_code == 202, answer.text
        result = answer.json()["id"]
        until(lambda result=result: client.get(f"/results/{result}").json()["state"] == "finished")
        assert f"-{kind}-" in result and (home / "results" / result / "request.json").is_file()


def test_unknown_fields_and_wrong_types_are_refused(client):
    image = {"path": "/data/ct.nrrd"}
    for kind, request in {
        "segment": {"volume": image, "model": "m", "smooth": 1},
        "predict": {"images": [image], "model": "m", "test_time": 3},
    }.items():
        answer = client.post(f"/inspect/{kind}", json=request)
        assert answer.status_code == 400 and answer.json()["error"]["type"] == "InputError"


def test_images_and_label_maps_must_have_been_uploaded(client, spec):
    with_mask = {"path": __file__, "mask_sha256": MISSING, "name": "knee"}
    for path, body in {
        "/inspect/segment": {"volume": {"sha256": MISSING, "name": "knee"}, "model": "m"},
        "/inspect/predict": {"images": [{"sha256": MISSING, "name": "knee"}], "model": "m"},
        "/inspect/check": {"data": {"volumes": [with_mask]}},
        "/jobs": spec(data={"volumes": [with_mask]}),
    }.items():
        answer = client.post(path, json=body)
        assert answer.status_code == 404, path
        message = answer.json()["error"]["message"]
        assert "knee" in message and "was not uploaded" in message
    assert "label map of knee" in message and client.get("/jobs").json() == []
