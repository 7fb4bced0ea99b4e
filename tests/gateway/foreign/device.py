"""A device and somebody who watches it, on the library websockets."""

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

BASE, WATCHER, DEVICE = sys.argv[1:]


async def frame(client):
    """The next frame that is no heartbeat."""
    while True:
        message = json.loads(await client.recv())
        if message != {"type": "ping"}:
            assert abs(message["time"] - time.time()) < 5
            return message


async def login(client, token):
    await client.send(json.dumps({"type": "auth", "data": {"token": token}}))
    answer = await frame(client)
    assert answer["type"] == "auth" and answer["data"]["status"] == "ok", answer


async def main():
    async with asyncio.timeout(40):
        async with connect(f"{BASE}/ws") as device, connect(f"{BASE}/ws") as watcher:
            await login(device, DEVICE)
            data = {"to": "room:device/d1", "device_id": "d1", "status": "在线"}
            await device.send(json.dumps({"type": "device_status", "data": data}))
            await device.send(json.dumps({"type": "ping"}))
            assert (await frame(device))["type"] == "pong"

            # Whoever comes later gets the last status.
            await login(watcher, WATCHER)
            status = await frame(watcher)
            assert (status["type"], status["data"]) == ("device_status", data), status

            await watcher.send(json.dumps({"type": "task_status", "data": {"to": "all"}}))
            refused = await frame(watcher)
            assert refused["data"]["code"] == 403, refused

            # It says nothing, and is asked whether it is there.
            assert json.loads(await watcher.recv()) == {"type": "ping"}

            await watcher.send("not JSON")
            malformed = await frame(watcher)
            assert malformed["data"]["code"] == 400, malformed
            try:
                await watcher.recv()
            except ConnectionClosed as closed:
                assert closed.rcvd.code == 1008
            else:
                raise AssertionError("the session goes on")


asyncio.run(main())
