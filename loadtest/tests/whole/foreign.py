"""A server that is not ours, in the manner of Engine.IO: it greets, asks for signs of life, and puts several messages
into one frame. Who does not answer within so many seconds, which are its argument, is closed. "join TOPIC" is answered,
and gets what "to TOPIC" begins; "join" alone gets what "say" does."""

import asyncio
import collections
import contextlib
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

BEAT_SECONDS = float(sys.argv[1])

subscribers = collections.defaultdict(set)


async def talk(connection):
    await connection.send("0{}")
    if await connection.recv() != "40":
        return await connection.close(1008)
    await connection.send("40{}")
    alive = asyncio.Event()
    beating = asyncio.create_task(beat(connection, alive))
    try:
        async for message in connection:
            if message == "3":
                alive.set()
            elif message.split(" ")[0] == "join":
                subscribers[message.removeprefix("join").strip()].add(connection)
                await connection.send("joined")
            elif message.startswith("say "):
                await publish("", message.removeprefix("say "))
            elif message.startswith("to "):
                await publish(message.split(" ")[1], message.removeprefix("to "))
            else:
                await connection.send(message[::-1])
    except ConnectionClosed:
        pass
    finally:
        beating.cancel()
        for topic in subscribers.values():
            topic.discard(connection)


async def publish(topic, text):
    # One frame for two messages, of which the second one is too short to be a delivery.
    for each in list(subscribers[topic]):
        with contextlib.suppress(ConnectionClosed):
            await each.send(text + "\n-\n")


async def beat(connection, alive):
    while True:
        alive.clear()
        await connection.send("2")
        await asyncio.sleep(BEAT_SECONDS)
        if not alive.is_set():
            await connection.close(1008)


async def main():
    async with serve(talk, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        # Until whoever has started this closes it.
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
