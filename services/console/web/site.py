"""How browsers know this console: its address, its cookies, and which requests come from its own pages."""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from services.console.passwords import Passwords
from services.console.settings import is_loopback


@dataclass(frozen=True, slots=True)
class Site:
    """The address that browsers know us by (no slash at its end), and what signing in needs.

    `proxies` is how many proxies of ours stand before us, each of which adds to X-Forwarded-For.
    """

    public_url: str
    passwords: Passwords
    proxies: int = 0

    @property
    def secure(self) -> bool:
        """Whether cookies travel over TLS only; without TLS we are on this machine (see ConsoleSettings)."""
        return self.public_url.startswith("https:")

    @property
    def prefix(self) -> str:
        """Where under its host a proxy has put us: empty, or a path such as `/mail`."""
        return urlsplit(self.public_url).path

    def cookie(self, name: str) -> str:
        """The name of a cookie. Over TLS no other host or path can set it (`__Host-`); on this machine, where all ports
        share their cookies, it has our port."""
        if self.secure:
            return f"__Host-mail_automator_{name}"
        return f"mail_automator_{name}_{urlsplit(self.public_url).port or 80}"

    def is_own(self, request: Request) -> bool:
        """Whether a change was asked for by a page of ours: browsers say so by Origin, with every form and script.

        On this machine we have several names; a name that is none of them leads here only by a trick (DNS rebinding).
        """
        origin = request.headers.get("origin", "")
        if self.secure:
            url = urlsplit(self.public_url)
            return origin == f"{url.scheme}://{url.netloc}"
        host = urlsplit(f"//{request.headers.get('host', '')}")
        return is_loopback(host.hostname or "") and origin == f"http://{host.netloc}"

    def address(self, request: Request) -> str:
        """Who is at the other end, behind our proxies."""
        told = [one.strip() for one in ",".join(request.headers.getlist("x-forwarded-for")).split(",") if one.strip()]
        if self.proxies and len(told) >= self.proxies:
            return told[-self.proxies]
        return request.client.host if request.client else ""


def derived(secret: str, purpose: str) -> str:
    """A word that only the holder of `secret` has, and that does not tell it: what forms carry against forgery."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), purpose.encode(), hashlib.sha256).hexdigest()
