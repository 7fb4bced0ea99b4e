"""Reads the objects of the Prometheus operator in a file of YAML as the operator's own schema has
them, and says of what kinds they are. A field that the schema does not know is a mistake."""

import sys

import yaml
from cloudcoil.models.prometheus_operator import v1


def unknown(said, known, path):
    """The fields of what was said that what was understood does not have."""
    if isinstance(said, dict) and isinstance(known, dict):
        for key, value in said.items():
            if key in known:
                yield from unknown(value, known[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(said, list):
        for index, value in enumerate(said):
            yield from unknown(value, known[index], f"{path}[{index}]")


for said in yaml.safe_load_all(open(sys.argv[1], encoding="utf-8")):
    if said["apiVersion"].startswith("monitoring.coreos.com/"):
        kind = said["kind"]
        understood = getattr(v1, kind).model_validate(said).model_dump(by_alias=True)
        mistakes = list(unknown(said, understood, kind))
        if mistakes:
            sys.exit(f"unknown: {mistakes}")
        print(kind)
