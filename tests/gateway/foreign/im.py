"""A courier and a customer of the chat, on the library websockets."""

import asyncio
import json
import random
import sys
import time
import urllib.request
from datetime import datetime

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PROFILE, API, KEY, BASE, OTHER_BASE = sys.argv[1:]
DOCUMENTED = PROFILE == "documented"
RULE_CODE = 1008 if DOCUMENTED else 1005
SUCCESS = "success" if DOCUMENTED else ""
WELCOME = "login in" if DOCUMENTED else "Connect successfully"
COURIER, CUSTOMER, STRANGER = 7, 42, 9


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


async def token(user, base):
    url = base.replace("ws", "http", 1) + "/IM/token"
    answer = await asyncio.to_thread(call, "POST", url, {"id": user})
    assert answer["expires_in"] == 120, answer
    return answer["token"]


def packet_id():
    """Timestamp and random digits, as the document advises."""
    return f"{time.time_ns() // 1_000_000}{random.randrange(10**6):06}"


class Chat:
    """A session that knows answers by the packet's id."""

    def __init__(self, socket):
        self.socket = socket
        self.answers = {}
        self.came = asyncio.Queue()
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        try:
            async for text in self.socket:
                packet = json.loads(text)
                answer = self.answers.pop(packet["id"], None)
                if answer and packet["from"] == 0:
                    answer.set_result(packet)
                else:
                    await self.came.put(packet)
        except ConnectionClosed:
            pass

    async def post(self, kind, msg, to=0, *, binary=False, number=None):
        """Sends a packet, and gives what will be its answer."""
        packet = {"id": number or packet_id(), "to": to, "type": kind, "msg": msg}
        answer = self.answers[packet["id"]] = asyncio.get_running_loop().create_future()
        text = json.dumps(packet, ensure_ascii=False)
        await self.socket.send(text.encode() if binary else text)
        return answer

    async def ask(self, kind, msg, to=0, **options):
        return await (await self.post(kind, msg, to, **options))

    async def next(self, kind):
        packet = await self.came.get()
        assert packet["type"] == kind, packet
        return packet

    async def leave(self):
        await self.socket.close()
        await self.reading


async def login(user, base):
    chat = Chat(await connect(f"{base}/{await token(user, base)}"))
    # The answer to what was sent without waiting comes after the welcome.
    early = await chat.post("P", "ping")
    welcome = await chat.next("L")
    assert (welcome["id"], welcome["from"], welcome["msg"]) == (0, 0, WELCOME), welcome
    assert abs(welcome["timestamp"] / 1000 - time.time()) < 5, welcome
    pong = await early
    assert (pong["type"], pong["msg"]) == ("P", "pong"), pong
    assert ("to" in pong) == DOCUMENTED, pong
    return chat


async def error(chat, text, kind, msg, to=0):
    answer = await chat.ask(kind, msg, to)
    assert (answer["type"], answer["msg"]) == ("E", text), answer


async def acknowledged(chat, kind, msg, to, **options):
    answer = await chat.ask(kind, msg, to, **options)
    assert (answer["type"], answer["msg"]) == ("A", SUCCESS), answer
    assert isinstance(answer["timestamp"], int), answer


async def ended(chat):
    await asyncio.wait_for(chat.reading, 20)
    return chat.socket.close_code


async def refused():
    async with connect(f"{BASE}/no.good.token") as socket:
        answer = json.loads(await socket.recv())
        assert answer == {"id": 0, "from": 0, "type": "E", "msg": "Invalidate token"}, answer
        await socket.wait_closed()
        assert socket.close_code == RULE_CODE, socket.close_code


async def positions(courier):
    here = {"longtitude": 121.53154193255554, "latitude": 31.175303947687105}
    await error(courier, "You have no right to do", "S", here)
    await asyncio.to_thread(call, "PUT", f"{API}/api/im/couriers/{COURIER}")
    for place in (here, {"longitude": "121.5", "latitude": "31.1"}):
        answer = await courier.ask("S", place)
        assert (answer["type"], answer["msg"]) == ("A", "updated position"), answer
    await error(courier, "Bad data formation", "S", {"longitude": 181, "latitude": 0})


async def talk(courier, customer):
    await error(courier, "You are not friends", "t", "hello", CUSTOMER)
    taken = await courier.ask("T", 17)
    assert (taken["type"], taken["msg"], taken["uid"]) == ("A", "success", CUSTOMER), taken
    told = await customer.next("s")
    assert (told["from"], told["msg"]) == (COURIER, "17"), told
    await error(courier, "Already send!", "T", "17")

    await acknowledged(courier, "t", "我在路上 😀", CUSTOMER)
    came = await customer.next("t")
    assert (came["from"], came["msg"]) == (COURIER, "我在路上 😀"), came
    assert came["timestamp"].endswith("Z"), came
    # A binary frame is read like a text, and an id may be a number.
    await acknowledged(customer, "t", "好", COURIER, binary=True, number=5)
    came = await courier.next("t")
    assert (came["id"], came["msg"]) == (5, "好"), came
    await acknowledged(customer, "i", 1001, COURIER)
    assert (await courier.next("i"))["msg"] == 1001
    await acknowledged(courier, "t", "x" * 1023, CUSTOMER)
    last = await customer.next("t")
    assert last["msg"] == "x" * 1023
    await error(courier, "Message is too long", "t", "x" * 1024, CUSTOMER)
    await courier.socket.send("not JSON")
    assert (await courier.next("E"))["id"] == 0
    return datetime.fromisoformat(last["timestamp"])


async def online(asking, user, expected):
    """Other nodes and the directory hear of the end of a session a moment later."""
    while (answer := await asking.ask("O", user))["msg"] is not expected:
        assert answer["type"] == "O", answer


async def main():
    async with asyncio.timeout(50):
        await refused()
        courier = await login(COURIER, BASE)
        customer = await login(CUSTOMER, OTHER_BASE)
        await online(courier, CUSTOMER, True)
        await online(courier, str(STRANGER), False)
        for chat in (courier, customer):
            await (await chat.socket.ping(b"payload"))
            await chat.socket.pong(b"nobody has asked")
        await positions(courier)
        last = await talk(courier, customer)

        # What comes meanwhile is in the history, and what has to be seen in the mail.
        # By the clock of the gateway, which need not be ours to the millisecond.
        begin = round(last.timestamp() * 1000) + 1
        await customer.leave()
        await online(courier, CUSTOMER, False)
        await acknowledged(courier, "t", "nobody at home", CUSTOMER)
        assert (await courier.ask("T", "19"))["msg"] == "success"
        customer = await login(CUSTOMER, BASE)
        assert (await customer.next("s"))["msg"] == "19"
        history = await customer.ask("H", {"id": -1, "from": COURIER})
        assert history["type"] == "H", history
        chat = [row for row in history["msg"] if row["type"] == "t"]
        texts = ["nobody at home", "x" * 1023, "我在路上 😀"]
        assert [row["msg"] for row in chat] == texts, history
        seen = [row["send"] for row in chat[:2]]
        flags = [{"type": "Buffer", "data": [bit]} for bit in (0, 1)]
        assert seen == ([False, True] if DOCUMENTED else flags), history
        if DOCUMENTED:
            since = (await customer.ask("H", begin))["msg"]
            assert "nobody at home" in [row["msg"] for row in since], since
            assert "x" * 1023 not in [row["msg"] for row in since], since
        else:
            await error(customer, "Bad data formation", "H", begin)

        newer = await login(CUSTOMER, OTHER_BASE)
        goodbye = await customer.next("C")
        assert goodbye["msg"] == "Server closes websocket", goodbye
        assert await ended(customer) == RULE_CODE
        await acknowledged(courier, "t", "still there?", CUSTOMER)
        assert (await newer.next("t"))["msg"] == "still there?"
        for chat in (courier, newer):
            assert chat.came.empty()
            await chat.leave()


asyncio.run(main())
