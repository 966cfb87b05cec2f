"""Few GETs at once on their way to an answer; what asks for the server's health does not stand behind them."""

from __future__ import annotations

import asyncio

import pytest

from medssl.server.gate.turns import Turns


class Slow:
    """An application that answers when it is let; what it works on, and the most at once."""

    def __init__(self):
        self.let, self.reading, self.at_work, self.most = asyncio.Event(), asyncio.Event(), 0, 0

    async def __call__(self, scope, receive, send):
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            if scope["path"] == "/broken":
                raise ValueError("broken")
            if scope["path"] != "/health":
                await self.let.wait()
            await send({"type": "http.response.start", "status": 200})
        finally:
            self.at_work -= 1
        if scope["path"] == "/long":
            await self.reading.wait()


def ask(app, path="/jobs", method="GET", query=b""):
    async def send(message):
        pass

    return asyncio.ensure_future(
        app({"type": "http", "method": method, "path": path, "query_string": query}, None, send)
    )


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_no_more_than_its_number_are_worked_on_and_all_are_answered():
    async def play():
        slow = Slow()
        app = Turns(slow, at_once=3)
        asked = [ask(app) for _ in range(20)]
        await settled()
        assert slow.at_work == 3
        slow.let.set()
        await asyncio.wait_for(asyncio.gather(*asked), 5)
        assert slow.most == 3

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "method", "query"),
    [("/health", "GET", b""), ("/jobs", "POST", b""), ("/jobs/a/events", "GET", b"after=3&wait=10")],
)
def test_health_bodies_and_waits_stand_behind_nobody(path, method, query):
    async def play():
        slow = Slow()
        app = Turns(slow, at_once=2)
        others = [ask(app) for _ in range(5)]
        await settled()
        mine = ask(app, path, method, query)
        await settled()
        assert slow.at_work == 3 or mine.done()
        slow.let.set()
        await asyncio.wait_for(asyncio.gather(mine, *others), 5)

    asyncio.run(play())


def test_a_client_that_reads_slowly_keeps_nobody_waiting():
    async def play():
        slow = Slow()
        slow.let.set()
        app = Turns(slow, at_once=1)
        reading = [ask(app, "/long") for _ in range(3)]
        await asyncio.wait_for(ask(app), 5)
        assert not any(one.done() for one in reading)
        slow.reading.set()
        await asyncio.gather(*reading)

    asyncio.run(play())


def test_whoever_fails_or_goes_away_gives_the_place_back():
    async def play():
        slow = Slow()
        app = Turns(slow, at_once=1)
        with pytest.raises(ValueError, match="broken"):
            await ask(app, "/broken")
        gone, waiting = ask(app), ask(app)
        await settled()
        for one in (waiting, gone):
            one.cancel()
        await asyncio.gather(gone, waiting, return_exceptions=True)
        slow.let.set()
        await asyncio.wait_for(ask(app), 5)

    asyncio.run(play())
