"""How the ticket writer works."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TicketWriterSettings(BaseSettings):
    """Messages held, and mails per batch."""

    model_config = SettingsConfigDict(
        env_prefix="MAIL_AUTOMATOR_TICKET_WRITER_", frozen=True, hide_input_in_errors=True
    )

    window: int = Field(default=300, ge=1, le=2000)
    batch: int = Field(default=100, ge=1, le=500)
