"""A real Prometheus on a port and folder of its own, with our rules, their durations shortened.

It is Debian's (`apt-get install prometheus`); skipped with its reason where it is not installed.
"""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import yaml

from services.all_in_one.process import LOOPBACK, free_ports, spawn, terminate
from tests.support.monitoring import ALERTS, RECORDED

SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST = 4
"""A window must hold two samples, one second apart, on a machine that is busy."""


def shortened(rules: str, factor: float) -> str:
    """The rules with every window, every `for`, and every threshold that is written as minutes (`15 * 60`) divided."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * SECONDS[found[3]] / factor
        least = SHORTEST if found[1] == "[" else 0
        return f"{found[1]}{max(round(seconds), least)}s"

    windows = re.sub(r"(\[|for: )(\d+)([smhd])", shorter, rules)
    return re.sub(r"\b(\d+) \* 60\b", lambda found: f"{int(found[1]) * 60 / factor:g}", windows)


class Prometheus:
    """One server. `targets` are `host:port` of what it scrapes, every second."""

    def __init__(self, folder: Path, targets: Sequence[str], factor: float) -> None:
        self.folder = folder
        self._targets = list(targets)
        self._factor = factor
        self._port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{self._port}/api/v1", timeout=20)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """What it answers now. Raises AssertionError with Prometheus' own words."""
        answer = (await self._client.get("/query", params={"query": expression})).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found = answer["data"]["result"]
        return found if answer["data"]["resultType"] == "vector" else [found]

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule, with its health."""
        data = (await self._client.get("/rules")).json()["data"]
        return [rule for group in data["groups"] for rule in group["rules"]]

    async def down(self) -> list[str]:
        """The targets that do not answer, and why; all of them before the first scrape."""
        found = (await self._client.get("/targets")).json()["data"]["activeTargets"]
        return [f"{one['scrapeUrl']}: {one['lastError']}" for one in found if one["health"] != "up"] or (
            [] if len(found) == len(self._targets) else self._targets
        )

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        data = (await self._client.get("/alerts")).json()["data"]
        return {one["labels"]["alertname"] for one in data["alerts"] if one["state"] == "firing"}

    async def __aenter__(self) -> Self:
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("prometheus is not installed: apt-get install prometheus")
        self._write()
        with (self.folder / "prometheus.log").open("wb") as log:
            self._process = spawn(
                [
                    program,
                    f"--config.file={self.folder}/prometheus.yml",
                    f"--storage.tsdb.path={self.folder}/data",
                    f"--web.listen-address={LOOPBACK}:{self._port}",
                    "--log.level=warn",
                ],
                env={"PATH": "/usr/bin:/bin"},
                output=log.fileno(),
                death_signal=signal.SIGTERM,
            )
        async with asyncio.timeout(30):
            while not await self._ready():
                assert self._process.poll() is None, (self.folder / "prometheus.log").read_text()
                await asyncio.sleep(0.2)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        if self._process is not None:
            await terminate(self._process, grace=10)

    async def _ready(self) -> bool:
        try:
            return (await self._client.get(f"http://{LOOPBACK}:{self._port}/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    def _write(self) -> None:
        self.folder.mkdir(parents=True)
        for file in (RECORDED, ALERTS):
            text = shortened(file.read_text(), self._factor)
            (self.folder / file.name).write_text(text)
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [RECORDED.name, ALERTS.name],
            "scrape_configs": [
                {
                    "job_name": "mail-automator",
                    "honor_labels": True,
                    "static_configs": [{"targets": self._targets}],
                }
            ],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
