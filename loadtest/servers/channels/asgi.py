"""Django Channels: /sub gets what /pub says, /topic/MINE/THEIRS gets the one and says the other, and /echo gets its own
back."""

import os

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={"default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # With the hundred that is the default, messages to subscribers who lag are dropped without a word.
        "CONFIG": {"hosts": [("127.0.0.1", int(os.environ["REDIS_PORT"]))], "capacity": 10_000},
    }},
)

import django

django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path


class Subscriber(AsyncWebsocketConsumer):
    groups = ["bench"]

    async def bench_message(self, event):
        await self.send(text_data=event["text"])


class Publisher(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await self.channel_layer.group_send("bench", {"type": "bench.message", "text": text_data})


class Topic(AsyncWebsocketConsumer):
    async def connect(self):
        words = self.scope["url_route"]["kwargs"]
        self.mine, self.theirs = words["mine"], words["theirs"]
        await self.channel_layer.group_add(self.mine, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.mine, self.channel_name)

    async def receive(self, text_data):
        await self.channel_layer.group_send(self.theirs, {"type": "bench.message", "text": text_data})

    async def bench_message(self, event):
        await self.send(text_data=event["text"])


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await self.send(text_data=text_data)


application = ProtocolTypeRouter({"websocket": URLRouter([
    path("sub", Subscriber.as_asgi()), path("pub", Publisher.as_asgi()), path("echo", Echo.as_asgi()),
    path("topic/<mine>/<theirs>", Topic.as_asgi()),
])})
