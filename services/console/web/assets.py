"""The few files that pages load: kept in memory, each under an address that changes with its content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from services.console.api.problems import Refused

FOLDER = Path(__file__).parent / "static"
TYPES: Mapping[str, str] = MappingProxyType(
    {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
)
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: what is sent, and as what."""

    content: bytes
    media_type: str


class Assets:
    """All of them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._names: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        for file in sorted(folder.iterdir()):
            content = file.read_bytes()
            name = f"{file.stem}.{hashlib.sha256(content).hexdigest()[:16]}{file.suffix}"
            self._names[file.name] = name
            self._assets[name] = Asset(content, TYPES[file.suffix])

    def path(self, name: str) -> str:
        """Where a file is today."""
        return f"/static/{self._names[name]}"

    def get(self, name: str) -> Asset | None:
        """The file of an address."""
        return self._assets.get(name)


async def serve(request: Request, name: str) -> Response:
    """One of the files; browsers may keep it for ever."""
    assets: Assets = request.app.state.assets
    found = assets.get(name)
    if found is None:
        raise Refused(404, "there is no such file", remedy="load the page again", code="unknown_file")
    return Response(found.content, media_type=found.media_type, headers={"Cache-Control": FOR_EVER})
