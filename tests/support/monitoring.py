"""What deploy/monitoring holds, read; and promtool, which skips with its reason where it is not installed."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
ALERTS, RECORDED = MONITORING / "alerts.yaml", MONITORING / "recording-rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"


class Panel(NamedTuple):
    """An expression of a dashboard, and where it stands."""

    dashboard: str
    title: str
    expression: str


def rules(file: Path) -> list[dict[str, Any]]:
    """The rules of a file, in order."""
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[str]:
    """The names of all alerts, in order."""
    return list(dict.fromkeys(rule["alert"] for rule in rules(ALERTS)))


def recorded() -> set[str]:
    """The names of all recording rules."""
    return {rule["record"] for rule in rules(RECORDED)}


def panels() -> list[Panel]:
    """Every expression of every dashboard."""
    return [
        Panel(file.stem, panel["title"], target["expr"])
        for file in sorted((MONITORING / "dashboards").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]


def stands_still() -> dict[str, tuple[set[str], set[str]]]:
    """What stands still or dies, which alerts fire then, and which may follow: the table of docs/runbooks/README.md."""
    text = (RUNBOOKS / "README.md").read_text().partition("| stands still or dies |")[2]
    rows = [[cell.strip() for cell in row] for row in re.findall(r"^\| ([^|-]+) \| ([^|]*) \|([^|]*)\|$", text, re.M)]
    return {row[0]: (set(re.findall(r"\w+", row[1])), set(re.findall(r"\w+", row[2]))) for row in rows}


def promtool(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run promtool; its output is for the message of an assertion."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run([program, *arguments], input=given, capture_output=True, timeout=120, check=False)
