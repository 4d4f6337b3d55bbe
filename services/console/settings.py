"""Where the console listens, and what browsers call it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """The API's own address; the admin port (health, metrics) is another. Port 0 takes a free one and logs it.

    `public_url` is what browsers call the console, for example `https://desk.example/mail`: from Microsoft they come
    back to `{public_url}/sign-in/callback`. Without it that is `http://localhost` and the port, on this machine only.
    """

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_CONSOLE_", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        url = urlsplit(given)
        plain = url.scheme == "http" and is_loopback(url.hostname or "")
        if given and (not (plain or url.scheme == "https") or not url.hostname or url.query or url.fragment):
            raise ValueError("must be an https address without query (http only for this machine)")
        return given.rstrip("/")

    def known_as(self, port: int) -> str | None:
        """What browsers call a console that listens on that port; None if nobody can tell."""
        if self.public_url:
            return self.public_url
        return f"http://localhost:{port}" if is_loopback(self.host) else None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and only it."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
