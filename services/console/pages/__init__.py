"""The console's own pages, HTML without a script. `PAGES` is the table of all there are. They need no API token."""

from collections.abc import Callable
from typing import Any

from services.console.pages import sign_in

PAGES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", sign_in.CALLBACK, sign_in.callback),
    ("GET", "/sign-in/{link}", sign_in.show),
    ("POST", "/sign-in/{link}", sign_in.begin),
)
"""Method, path, and what answers."""
