"""Packs a support bundle: a tar.gz of texts, each scrubbed once more, with a manifest of what is in it."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from services.console.doctor.contents import plain
from services.console.doctor.redacting import scrub
from shared.domain.errors import ConfigurationError

FOLDER = "mail-automator-support"
LEFT_OUT = (
    "mails, subjects, addresses, names of people",
    "passwords, keys, tokens, credentials in URLs",
    "texts of the configuration (names of mailboxes and places of servers are in it)",
    "who changed what (the audit log is here by time, action and kind)",
)


def write(file: Path, parts: Mapping[str, Any], secrets: frozenset[str], at: datetime) -> tuple[str, ...]:
    """Write it, readable by its owner only; returns the names in it. Raises ConfigurationError; replaces nothing."""
    texts = {name: scrub(_text(content), secrets) for name, content in parts.items()}
    texts["manifest.json"] = _text(_manifest(texts, at))
    try:
        with (
            os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz") as bundle,
        ):
            for name, text in texts.items():
                _add(bundle, name, text.encode(), at)
    except FileExistsError:
        raise ConfigurationError("is there already", where=str(file), remedy="give another name") from None
    except OSError as error:
        what = f"cannot be written: {error.strerror or type(error).__name__}"
        raise ConfigurationError(what, where=str(file), remedy="check the folder and its rights") from None
    return tuple(texts)


def _manifest(texts: Mapping[str, str], at: datetime) -> dict[str, Any]:
    files = {
        name: {"bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in texts.items()
    }
    return {"made_at": at, "files": files, "left_out": LEFT_OUT}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, indent=2, default=plain) + "\n"


def _add(bundle: tarfile.TarFile, name: str, content: bytes, at: datetime) -> None:
    member = tarfile.TarInfo(f"{FOLDER}/{name}")
    member.size, member.mtime, member.mode = len(content), int(at.timestamp()), 0o600
    bundle.addfile(member, io.BytesIO(content))
