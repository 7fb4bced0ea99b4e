"""Tables of a comparison, in Markdown: medians, and Tidegate against each server in the same round."""

import json
import statistics
import subprocess

from bench_nodes import ROOT
from rivals_install import NODE, PROGRAMS, PYTHON

# Name, heading, digits, what the figure is divided by, and whether more is better.
COLUMNS = [
    ("deliveries_8", "deliveries per CPU-second, 8 outstanding", 0, 1, True),
    ("deliveries_1", "1 outstanding", 0, 1, True),
    ("idle_bytes", "KiB per idle connection", 2, 1024, False),
    ("connects", "connects per CPU-second", 0, 1, True),
    ("connects_per_second", "connects per second", 0, 1, True),
    ("echoes_1", "echoes per CPU-second, 1 outstanding", 0, 1, True),
    ("echoes_4", "4 outstanding", 0, 1, True),
    ("p50", "latency, p50 ms", 2, 1, False),
    ("p99", "p99 ms", 2, 1, False),
]


def print_tables(servers, figures):
    for count, title in ((1, "One node"), (2, "Two nodes and Redis")):
        rows = [(it, figures[f"{it.name}/{count}"]) for it in servers if f"{it.name}/{count}" in figures]
        if not rows:
            continue
        columns = [it for it in COLUMNS if any(it[0] in each for _, row in rows for each in row)]
        print(f"\n### {title}\n")
        print_table(rows, columns, value)
        print("\nHow many times better Tidegate is, in the same round (the least and the greatest):\n")
        base = rows[0][1]
        print_table(rows[1:], columns, lambda row, column: advantage(row, base, column))
        for server, row in rows:
            for each in row:
                for problem in each["problems"]:
                    print(f"\n{server.title}: {problem}")


def print_table(rows, columns, cell):
    print("| | " + " | ".join(heading for _, heading, *_ in columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for server, row in rows:
        cells = " | ".join(cell(row, column) for column in columns)
        print(f"| {server.title} {version(server)} | {cells} |")


def value(row, column):
    name, _, digits, unit, _ = column
    values = [each[name] / unit for each in row if each.get(name) is not None]
    return f"{statistics.median(values):,.{digits}f}" if values else ""


def advantage(row, base, column):
    name, *_, more_is_better = column
    pairs = [(ours[name], theirs[name]) for ours, theirs in zip(base, row)
             if ours.get(name) and theirs.get(name)]
    ratios = [ours / theirs if more_is_better else theirs / ours for ours, theirs in pairs]
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def version(server):
    return VERSIONS[server.name]()


def npm(name):
    return json.loads((NODE / "node_modules" / name / "package.json").read_text())["version"]


def pip(name):
    code = f"import importlib.metadata as it; print(it.version('{name}'))"
    return said(PYTHON / "bin" / "python", "-c", code)


def debian(name):
    # Without the parts that are Debian's own.
    return said("dpkg-query", "-W", "-f", "${source:Upstream-Version}", name).split("+")[0]


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


VERSIONS = {
    "tidegate": lambda: said("git", "rev-parse", "--short", "HEAD"),
    "uws": lambda: npm("uWebSockets.js").split("-")[0],
    "ws": lambda: npm("ws"),
    "socketio": lambda: npm("socket.io"),
    "soketi": lambda: npm("@soketi/soketi"),
    "nchan": lambda: debian("libnginx-mod-nchan"),
    "centrifuge": lambda: debian("golang-github-centrifugal-centrifuge-dev"),
    "channels": lambda: pip("channels"),
}
