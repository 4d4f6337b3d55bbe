"""Reads PromQL as far as names go: which metrics an expression asks for, and by which labels."""

import re

from shared.observability.metrics import Metrics

FOREIGN = frozenset({"up"})
"""Metrics that are not ours: Prometheus' own. RabbitMQ's are asked for nowhere."""

_WORDS = frozenset({"and", "or", "unless", "offset", "bool"})
_OF_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_OF_TARGETS = frozenset({"job", "instance", "le"})


def metrics_in(expression: str) -> set[str]:
    """The metrics that it names."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(_OF_LABELS, " ", bare)
    found = re.findall(rf"(?<![\w.]){_NAME}(?!\s*\(|\w)", bare)
    return {one for one in found if one not in _WORDS}


def matchers_in(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics with braces, and the labels in them."""
    found = re.findall(rf"({_NAME})\{{((?:[^}}\"]|\"[^\"]*\")*)\}}", expression)
    return [
        (name, set(re.findall(rf"({_NAME})\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', inner))))
        for name, inner in found
    ]


def known() -> dict[str, set[str]]:
    """Every series name of the catalogue, with its labels."""
    found: dict[str, set[str]] = {}
    for one in Metrics("every", "0").declared:
        suffixes = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
        for suffix in suffixes:
            found[one.name + suffix] = {*one.labels, *_OF_TARGETS}
    return found


def faults(expression: str, recorded: set[str]) -> list[str]:
    """What it asks for and nobody has: metrics that are neither ours, recorded nor foreign, and labels they lack."""
    series = known()
    missing = [one for one in metrics_in(expression) if one not in {*series, *recorded, *FOREIGN}]
    strange = [
        f"{name}{{{label}}}" for name, labels in matchers_in(expression) for label in labels - series.get(name, labels)
    ]
    return missing + strange
