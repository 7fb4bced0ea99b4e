"""The servers that are compared, and how each is started: alone, or as two nodes with Redis."""

import contextlib
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench_cluster import nodes as two_gateways
from bench_nodes import SECRET, end, gateway, on_core_0
from bench_redis import redis
from rivals_install import CENTRIFUGE, NODE, PROGRAMS, PYTHON

FIRST_PORT = 18310
# To listen, and to have met the other nodes.
PATIENCE = 120
ACQUAINTANCE = 3


@dataclass
class Tidegate:
    """The `ride` dialect, which is what the load generator speaks without a file."""

    name: str = "tidegate"
    title: str = "Tidegate"
    needs: tuple = ("redis",)
    nodes: tuple = (1, 2)
    options: tuple = ()
    fanout: tuple = ("--backend", f"bench:{SECRET}")

    @contextlib.contextmanager
    def running(self, count):
        with contextlib.ExitStack() as stack:
            if count == 1:
                nodes, store = [stack.enter_context(gateway())], []
            else:
                store = [stack.enter_context(redis())]
                nodes = stack.enter_context(two_gateways(store[0].port))
            yield [node.public for node in nodes], [*nodes, *store]


@dataclass
class Rival:
    """A server that is not ours. `command` gives the words and the environment that start a node."""

    name: str
    title: str
    needs: tuple
    command: object
    nodes: tuple = (1,)
    # A single node has a Redis too.
    leans_on_redis: bool = False
    fanout: tuple = ()

    @property
    def options(self):
        return "--server", str(PROGRAMS / f"{self.name}.toml")

    @contextlib.contextmanager
    def running(self, count):
        """Their addresses, and everything whose CPU time and memory count."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            has_redis = 1 < count or self.leans_on_redis
            store = [stack.enter_context(redis())] if has_redis else []
            ports = [FIRST_PORT + number for number in range(count)]
            port_of_redis = store[0].port if store else None
            nodes = [stack.enter_context(self.node(port, port_of_redis, folder)) for port in ports]
            time.sleep(ACQUAINTANCE if 1 < count else 1)
            yield [f"127.0.0.1:{port}" for port in ports], [*nodes, *store]

    @contextlib.contextmanager
    def node(self, port, port_of_redis, folder):
        own = Path(folder, str(port))
        own.mkdir()
        if is_listening(port):
            sys.exit(f"{self.name}: something else listens on port {port}")
        words, environment = self.command(port, port_of_redis, own)
        environment = {**os.environ, "PORT": str(port), **environment}
        if port_of_redis:
            environment["REDIS_PORT"] = str(port_of_redis)
        process = on_core_0(words, env=environment, cwd=own)
        try:
            wait_until_listening(process, port, self.name)
            yield Process(process)
        finally:
            end(process)


@dataclass
class Process:
    """What the load generator is told of."""

    process: object


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def wait_until_listening(process, port, name):
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if process.poll() is not None:
            sys.exit(f"{name} did not start: is its port {port} taken?")
        if is_listening(port):
            return
        time.sleep(0.1)
    sys.exit(f"{name} did not listen on port {port} within {PATIENCE} s")


def javascript(name):
    environment = {"NODE_ENV": "production", "NODE_PATH": str(NODE / "node_modules")}
    return lambda port, port_of_redis, folder: (["node", PROGRAMS / name / "server.js"], environment)


def soketi(port, port_of_redis, folder):
    environment = {"NODE_ENV": "production", "SOKETI_HOST": "127.0.0.1", "SOKETI_PORT": str(port),
                   "SOKETI_METRICS_ENABLED": "0", "SOKETI_DEBUG": "0",
                   "SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES": "1"}
    if port_of_redis:
        environment |= {"SOKETI_ADAPTER_DRIVER": "redis", "SOKETI_DB_REDIS_HOST": "127.0.0.1",
                        "SOKETI_DB_REDIS_PORT": str(port_of_redis)}
    return ["node", NODE / "node_modules/@soketi/soketi/bin/server.js", "start"], environment


def channels(port, port_of_redis, folder):
    words = [PYTHON / "bin" / "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "asgi:application"]
    return words, {"PYTHONPATH": str(PROGRAMS / "channels"), "PYTHONDONTWRITEBYTECODE": "1"}


def centrifuge(port, port_of_redis, folder):
    # One core is all it has; Go does not ask for its affinity.
    return [CENTRIFUGE / "server"], {"GOMAXPROCS": "1"}


def nchan(port, port_of_redis, folder):
    upstream = f"upstream store {{ nchan_redis_server redis://127.0.0.1:{port_of_redis}; }}"
    text = (PROGRAMS / "nchan" / "nginx.conf").read_text()
    for name, value in {"PORT": str(port), "FOLDER": str(folder),
                        "# UPSTREAM": upstream if port_of_redis else "",
                        "# REDIS": "nchan_redis_pass store;" if port_of_redis else ""}.items():
        text = text.replace(name, value)
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-c", folder / "nginx.conf", "-p", folder], {}


SERVERS = [
    Tidegate(),
    Rival("uws", "uWebSockets.js", ("node",), javascript("uws")),
    Rival("ws", "ws (Node.js)", ("node",), javascript("ws")),
    Rival("socketio", "socket.io", ("node",), javascript("socketio"), nodes=(1, 2)),
    Rival("soketi", "soketi", ("node",), soketi, nodes=(1, 2)),
    Rival("nchan", "nchan", ("nginx",), nchan, nodes=(1, 2)),
    Rival("centrifuge", "Centrifuge", ("go",), centrifuge, nodes=(1, 2)),
    Rival("channels", "Django Channels", ("python",), channels, nodes=(1, 2), leans_on_redis=True),
]
