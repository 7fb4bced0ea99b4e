"""Passenger and drivers on the library websockets, and a Flask application that publishes with redis-py."""

import asyncio
import json
import sys

import redis
from websockets.asyncio.client import connect

PORT, BASE = sys.argv[1:]


class Application:
    """As in the original: it knows nothing but a channel, and does not wait for anybody."""

    def __init__(self):
        self.redis = redis.Redis(host="localhost", port=int(PORT), db=0, decode_responses=True)

    def send(self, target_token, data):
        message = {"target_token": target_token, "data": data}
        self.redis.publish("websocket_messages", json.dumps(message))


async def pong(client):
    """Goes once to the node and back: nothing else has come before."""
    await client.send(json.dumps({"flag": "ping"}))
    assert await client.recv() == "pong"


async def main():
    application = Application()
    async with (
        connect(f"{BASE}/ws/?client_id=passenger_1&token=openid") as passenger,
        connect(f"{BASE}/ws/?client_id=driver_1&token=d1") as driver,
    ):
        for client in (passenger, driver):
            await pong(client)

        found = {
            "flag": "find_driver", "order_id": 7, "distance": "1.20km", "duration": "3.50分钟",
            "order": {"id": 7, "total_fee": 12.5, "note": None}, "customer_token": "openid",
        }
        application.send("d1", found)
        text = await driver.recv()
        assert json.loads(text) == found | {"target_token": "d1"}, text
        assert text.isascii(), text

        # The target outside counts, whatever stands inside.
        ready = {"flag": "trip_ready_start", "target_token": "somebody", "level": "3"}
        application.send("openid", ready)
        assert json.loads(await passenger.recv()) == ready | {"target_token": "openid"}

        application.send("driver", {"flag": "system", "msg": "上线"})
        expected = {"flag": "system", "msg": "上线", "target_token": "driver"}
        assert json.loads(await driver.recv()) == expected

        application.send("all", {"flag": "system", "msg": "1"})
        for client in (passenger, driver):
            assert json.loads(await client.recv())["target_token"] == "all"

        # What the original drops: it has no data.
        application.redis.publish("websocket_messages", json.dumps({"flag": "system", "msg": "2"}))
        application.send("openid", {})
        application.send("openid", {"flag": "last"})
        assert json.loads(await passenger.recv())["flag"] == "last"
        for client in (passenger, driver):
            await pong(client)


asyncio.run(asyncio.wait_for(main(), 30))
