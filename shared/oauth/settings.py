"""Settings of the way to identity servers."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class OAuthSettings(BaseSettings):
    """Microsoft's clouds are always allowed. `authorities` adds private identity servers: addresses such as
    `https://login.corp.example:8443`, separated by commas. `ca_file` is a PEM file trusted for those servers alone."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_OAUTH_", frozen=True, hide_input_in_errors=True)

    authorities: str = ""
    ca_file: Path | None = None
    timeout_seconds: float = 10
