"""What the benches have in common: servers on core 0, the load generator on core 1, medians of rounds."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SECRET = "bench"
RAW = "127.0.0.1:18090"


class gateway:
    """A node on core 0 with one shard; several are told apart by their numbers, from 0."""

    def __init__(self, number=0, **settings):
        self.public = f"127.0.0.1:{18080 + 2 * number}"
        self.admin = f"127.0.0.1:{18081 + 2 * number}"
        self.settings = {
            "DEVELOPMENT": "true", "LISTEN__PUBLIC": self.public, "LISTEN__ADMIN": self.admin,
            "RUNTIME__SHARDS": "1", "LIMITS__OUTBOX_BYTES_MAX": "1048576",
            "DIALECT__RIDE__BACKENDS": f'{{ bench = "{SECRET}" }}', "LOG__LEVEL": "warn", **settings,
        }

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        environment = {f"TIDEGATE_{key}": value for key, value in self.settings.items()}
        self.process = on_core_0([TARGET / "tidegate"], cwd=self.folder.name,
                                 env={**os.environ, **environment})
        wait_until_ready(self.process, f"http://{self.admin}/readyz")
        return self

    def __exit__(self, *_):
        end(self.process)
        self.folder.cleanup()

    def metrics(self):
        """All figures of the node, by name and labels."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        rows = [line.rsplit(" ", 1) for line in lines if line and line[0] != "#"]
        return {name: float(value) for name, value in rows}


class raw:
    """The yardstick on core 0: one write per delivery."""

    public = RAW

    def __enter__(self):
        self.process = on_core_0([TARGET / "loadtest", "raw-server", "--listen", RAW])
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        end(self.process)


def load(scenario, address, nodes, *options):
    """Runs the load generator to its end, and gives its figures."""
    with tempfile.NamedTemporaryFile() as file:
        command = generator(scenario, address, nodes, file.name, *options)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(file.name).read_text())


def generator(scenario, address, nodes, file, *options):
    pids = ",".join(str(node.process.pid) for node in nodes)
    return [TARGET / "loadtest", scenario, "--to", address, "--cpu", "1", "--server-pid", pids,
            "--json", file, *options]


def wait_until_ready(process, url):
    for _ in range(100):
        if process.poll() is not None:
            sys.exit("the gateway did not start: is one of its ports taken?")
        try:
            with urllib.request.urlopen(url):
                # What it allocated to start has been given back a moment later.
                return time.sleep(1)
        except OSError:
            time.sleep(0.1)
    sys.exit("the gateway did not become ready within ten seconds")


def on_core_0(command, **options):
    return subprocess.Popen(["taskset", "-c", "0", *command], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **options)


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def spread(values, digits=None):
    """The median, the least and the greatest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    if digits is None:
        digits = 0 if 100 < high else 2
    return f"{middle:,.{digits}f} (from {low:,.{digits}f} to {high:,.{digits}f})"


def ratio(values, base):
    return spread([value / other for value, other in zip(values, base)])
