"""Where the broker is."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BrokerSettings(BaseSettings):
    """`url` is an AMQP 0-9-1 URL with its credentials. Where `topology` is `verify` nothing is declared, because an
    operator owns it (docs/kubernetes.md): a service that misses an exchange or queue says which, and ends."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_BROKER_", frozen=True, hide_input_in_errors=True)

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    topology: Literal["declare", "verify"] = "declare"
    connect_deadline_seconds: float = Field(default=60, gt=0)
    publish_timeout_seconds: float = Field(default=30, gt=0)
    heartbeat_seconds: int = Field(default=15, ge=5)
