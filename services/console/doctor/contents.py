"""What a support bundle holds, part by part, each already redacted. Whatever cannot be had says why instead."""

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from services.console.doctor.checks import owed
from services.console.doctor.redacting import configuration, setting
from shared.domain.errors import AutomatorError
from shared.store.client import Store
from shared.store.indexes import INDEXES

PACKAGES = (
    "mail-automator",
    "aio-pika",
    "aioimaplib",
    "aiosmtplib",
    "cryptography",
    "fastapi",
    "motor",
    "msal",
    "nx-27017",
    "pydantic",
    "pymongo",
    "uvicorn",
    "uvloop",
)
RECORDS = 200
"""Audit records: when what was done to which kind of thing. Not by whom, and not to which."""
_ADMIN_SECONDS = 3.0


def versions() -> dict[str, Any]:
    """What runs here."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": sys.version,
        "system": platform.platform(),
        "machine": platform.machine(),
    }


def settings(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The settings that are given here, by name."""
    return {name: setting(name, value) for name, value in sorted(environ.items()) if name.startswith(prefix)}


async def counts(store: Store) -> dict[str, Any]:
    """How much there is of everything."""
    causes = await store.ledger.causes()
    return {
        "books": await store.ledger.count_by_outcome(),
        "quarantine": [
            {"stage": stage, "code": code, "mails": one.mails, "first": one.first, "last": one.last}
            for (stage, code), one in causes.items()
        ],
        "events_owed": await owed(store),
        "acknowledgements": await store.outbound.count_by_state(),
        "documents": {
            name: await store.collection(name).size() for name in sorted({one.collection for one in INDEXES})
        },
        "generation": await store.config.generation(),
    }


async def mailboxes(store: Store) -> list[dict[str, Any]]:
    """Each mailbox: its configuration without its words, and how it is; not the sentence, which may name people."""
    statuses = await store.runtime.statuses()
    found: list[dict[str, Any]] = []
    for one in await store.mailboxes.all():
        status = statuses.get(one.name)
        told = status.model_dump(mode="json", exclude={"sentence"}) if status else None
        found.append({"name": one.name, "active": one.active, "spec": configuration(one.spec.model_dump()), "is": told})
    return found


async def catalogue(store: Store) -> dict[str, int]:
    """How much the catalogue holds."""
    found = await store.catalogue.load()
    return {name: len(getattr(found, name)) for name in ("departments", "services", "processes")}


async def audit(store: Store) -> list[dict[str, Any]]:
    """What was changed lately, newest first."""
    names = ("at", "action", "kind", "outcome")
    return [{name: getattr(one, name) for name in names} for one in await store.audit.page(limit=RECORDS)]


async def admin(urls: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What each process says on its admin port, by file name. One that does not answer says so."""
    found: dict[str, str] = {}
    async with httpx.AsyncClient(timeout=_ADMIN_SECONDS, trust_env=False) as client:
        for service, replicas in sorted(urls.items()):
            for number, url in enumerate(replicas):
                for path in ("metrics", "readyz?verbose"):
                    name = f"services/{service}-{number}-{path.partition('?')[0]}.txt"
                    found[name] = await _asked(client, f"{url}/{path}")
    return found


async def part(work: Any) -> Any:
    """What a part says; the reason where it cannot be had."""
    try:
        return await work
    except AutomatorError as error:
        return {"not_available": error.code}


def plain(value: object) -> str:
    """How an instant, and nothing else, is written where JSON has no form for it."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


async def _asked(client: httpx.AsyncClient, url: str) -> str:
    try:
        return (await client.get(url)).text
    except httpx.HTTPError as error:
        return f"not available: {type(error).__name__}\n"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
