"""Where the console listens."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """The API's own address; the admin port (health, metrics) is another. Port 0 takes a free one and logs it."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_CONSOLE_", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
