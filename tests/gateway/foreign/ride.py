"""Passenger, driver and backend as the document describes them, on the library websockets."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

BASE, PROFILE = sys.argv[1:]
RULE_CODE = 1008 if PROFILE == "documented" else 1005


async def pong(client):
    """Goes once to the node and back."""
    await client.send(json.dumps({"flag": "ping"}))
    assert await client.recv() == "pong"


async def code(client):
    """The code of the close that has to come next."""
    try:
        message = await client.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    raise AssertionError(f"{message} came before the close")


async def relay():
    async with (
        connect(f"{BASE}/websocket") as passenger,
        connect(f"{BASE}/ws/?client_id=driver_1&token=d1") as driver,
        # The address as it stands in the document, without a path.
        connect(f"{BASE}?client_id=11flask_backend&token=your_secret_token") as backend,
    ):
        await passenger.send(json.dumps({"flag": "login", "token": "openid"}))
        for client in (passenger, driver, backend):
            await pong(client)

        travel = {
            "flag": "travel", "target_token": "d1", "token": "openid",
            "lat": "30.27", "lng": "120.15", "phone": "13800000000", "msg": "你好",
            "start": "西湖", "end": "x" * 50_000,
        }
        for ensure_ascii in (True, False):
            text = json.dumps(travel, ensure_ascii=ensure_ascii)
            await passenger.send(text)
            assert await driver.recv() == text

        push = json.dumps({"flag": "find_driver", "target_token": "driver", "order_id": 7})
        await backend.send(push)
        assert await driver.recv() == push

        everybody = json.dumps({"flag": "system", "target_token": "all", "msg": "1"})
        await backend.send(everybody)
        for client in (passenger, driver, backend):
            assert await client.recv() == everybody

        await (await driver.ping(b"payload"))

        await passenger.send(json.dumps({"flag": "close", "token": "openid"}))
        assert await code(passenger) == RULE_CODE


async def refusals():
    async with connect(f"{BASE}/websocket") as silent:
        assert await code(silent) == RULE_CODE
    async with connect(f"{BASE}/ws/?client_id=11flask_backend&token=wrong") as wrong:
        assert await code(wrong) == RULE_CODE


async def main():
    async with asyncio.timeout(40):
        await asyncio.gather(relay(), refusals())


asyncio.run(main())
