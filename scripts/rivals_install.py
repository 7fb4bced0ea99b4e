"""Installs the servers that Tidegate is compared with, each with the client of its own registry."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench_nodes import ROOT, TARGET

PROGRAMS = ROOT / "loadtest" / "servers"
FOLDER = TARGET.parent / "rivals"
NODE = FOLDER / "node"
PYTHON = FOLDER / "python"
CENTRIFUGE = FOLDER / "centrifuge"
GO = "/usr/share/gocode/src/github.com"

# A file that shows it, and the Debian package that has it.
PACKAGES = {
    "redis": [("/usr/bin/redis-server", "redis-server")],
    # Where npm comes from elsewhere, Node.js does too.
    "node": [] if shutil.which("npm") else [("/usr/bin/npm", "npm")],
    "python": [],
    "nginx": [("/usr/sbin/nginx", "nginx"),
              ("/usr/lib/nginx/modules/ngx_nchan_module.so", "libnginx-mod-nchan")],
    # The library's package does not name all that it is built with.
    "go": [("/usr/bin/go", "golang-go"),
           (f"{GO}/centrifugal/centrifuge", "golang-github-centrifugal-centrifuge-dev"),
           (f"{GO}/centrifugal/protocol", "golang-github-centrifugal-protocol-dev"),
           (f"{GO}/FZambia/eagle", "golang-github-fzambia-eagle-dev"),
           (f"{GO}/igm/sockjs-go", "golang-github-igm-sockjs-go-dev"),
           (f"{GO}/mna/redisc", "golang-github-mna-redisc-dev")],
}


def install(servers):
    """What these servers need and is missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kinds = {kind for server in servers for kind in server.needs}
    install_packages([name for kind in sorted(kinds) for path, name in PACKAGES[kind]
                      if not Path(path).exists()])
    for kind, make in (("node", make_node), ("python", make_python), ("go", make_centrifuge)):
        if kind in kinds:
            make()


def install_packages(names):
    if not names:
        return
    if os.geteuid() != 0:
        sys.exit(f"missing, and only root can install them: {' '.join(names)}")
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=900", "-qq"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*apt, "update"], env=environment)
    run([*apt, "install", "-y", "--no-install-recommends", *names], env=environment)


def make_node():
    """The packages of npm, as the lock file has them. None may run a program of its own."""
    files = [PROGRAMS / "package.json", PROGRAMS / "package-lock.json"]
    with made_once(NODE, files) as is_missing:
        if is_missing:
            for file in files:
                shutil.copy(file, NODE)
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=NODE)


def make_python():
    requirements = PROGRAMS / "requirements.txt"
    with made_once(PYTHON, [requirements]) as is_missing:
        if is_missing:
            run([sys.executable, "-m", "venv", PYTHON])
            run([PYTHON / "bin" / "pip", "-q", "install", "-r", requirements])


def make_centrifuge():
    """One program, made of Debian's packages of the library alone."""
    program = PROGRAMS / "centrifuge" / "main.go"
    with made_once(CENTRIFUGE, [program]) as is_missing:
        if is_missing:
            environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                           "GOCACHE": str(CENTRIFUGE / "cache")}
            run(["go", "build", "-o", CENTRIFUGE / "server", program], env=environment)


class made_once:
    """A folder that is made anew when one of these files has changed, and never left half made."""

    def __init__(self, folder, files):
        self.mark, self.folder = folder / "mark", folder
        self.wanted = "".join(file.read_text() for file in files)

    def __enter__(self):
        is_missing = not self.mark.exists() or self.mark.read_text() != self.wanted
        if is_missing:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        return is_missing

    def __exit__(self, kind, *_):
        if kind is None:
            self.mark.write_text(self.wanted)


def run(command, **options):
    try:
        subprocess.run(command, check=True, **options)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot install: {error}")
