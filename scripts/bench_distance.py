"""Hands connections on to a server that is then farther away: everything takes longer in both directions.

usage: bench_distance.py PORT PORT_OF_SERVER MILLISECONDS
"""

import asyncio
import sys


async def main():
    port, server, milliseconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])

    async def connected(reader, writer):
        to_server = await asyncio.open_connection("127.0.0.1", server)
        await asyncio.gather(delay(reader, to_server[1], milliseconds / 1000),
                             delay(to_server[0], writer, milliseconds / 1000))

    async with await asyncio.start_server(connected, "127.0.0.1", port) as listener:
        await listener.serve_forever()


async def delay(reader, writer, seconds):
    """Everything goes on after its time, and in its order: timers of one length fire in turn."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    asyncio.run(main())
