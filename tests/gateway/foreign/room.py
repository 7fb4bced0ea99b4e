"""Two who chat in a room, and one to one, on the library websockets."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PROFILE, ONE, OTHER = sys.argv[1:]


async def ends(client, code):
    try:
        message = await client.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd.code == code, closed
    else:
        raise AssertionError(f"the session goes on: {message}")


async def say(client, room, message):
    await client.send(json.dumps({"message": message, "from": room}))


async def ready(client):
    """What was said before has been heard, and the room been joined."""
    await client.send(json.dumps({"type": 0}))
    answer = json.loads(await client.recv())
    assert (answer["type"], answer["code"]) == ("error", 400), answer


async def meet(speaker, room, hearers):
    """Returns when what is said to the room reaches these: nodes learn of one another's clients."""

    async def knock():
        while True:
            await say(speaker, room, "knock")
            await asyncio.sleep(0.05)

    knocking = asyncio.create_task(knock())
    for client in hearers:
        assert json.loads(await client.recv()) == "knock"
    knocking.cancel()
    await say(speaker, room, "come in")
    for client in hearers:
        while json.loads(await client.recv()) != "come in":
            pass


async def main():
    async with asyncio.timeout(40):
        async with (
            connect(f"{ONE}/room/12/?user=1") as user,
            connect(f"{OTHER}/room/12?user=2") as doctor,
            connect(f"{OTHER}/room/doctor2/?user=2") as inbox,
        ):
            for client in (user, doctor, inbox):
                await ready(client)
            await meet(user, "12", [doctor, user])
            for message in ("在吗", {"name": "x", "id": 1}, [1, None]):
                await say(user, "12", message)
                for client in (user, doctor):
                    assert json.loads(await client.recv()) == message

            envelope = {"type": 1, "from": "1", "to": "2", "message": ["你在吗，多少钱"]}
            await user.send(json.dumps(envelope))
            for client in (doctor, inbox):
                assert json.loads(await client.recv()) == envelope
            await ready(user)

            if PROFILE == "observed":
                await meet(user, "doctor2", [inbox])
            await say(user, "doctor2", {"name": "张三", "id": "1"})
            if PROFILE == "observed":
                assert json.loads(await inbox.recv()) == {"name": "张三", "id": "1"}
                await ready(user)
            else:
                await ends(user, 1008)
            await doctor.send("not JSON")
            await ends(doctor, 1011)
            await ready(inbox)


asyncio.run(main())
