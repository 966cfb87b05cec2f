"""Segmenting and predicting through the session: the request as it is sent, the answer as it is read."""

from __future__ import annotations

import json

from test_client_session import session

from medssl.core.protocol import ResultStatus, VolumeRef


def test_segment_and_predict_send_their_requests_and_wait():
    done = ResultStatus("r", "segment", "finished", table=({"class": "Bone", "voxels": 3},))
    talk, transport = session(inspect_segment=[(202, ResultStatus("r", "segment", "queued"))], results_r=[(200, done)])
    ref = VolumeRef(path="/d/ct.nrrd")
    assert talk.segment(ref, "m", mirror=True).table[0]["class"] == "Bone"
    sent = json.loads(transport.calls[0].body)
    assert sent["volume"]["path"] == "/d/ct.nrrd" and sent["mirror"] and sent["overlap"] == -1.0
    talk, transport = session(inspect_predict=[(202, done)])
    talk.predict([ref, ref], "m", test_time="none")
    sent = json.loads(transport.calls[0].body)
    assert len(sent["images"]) == 2 and sent["test_time"] == "none"
