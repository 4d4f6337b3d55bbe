"""How the ticket writer works."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TicketWriterSettings(BaseSettings):
    """Messages held, mails per batch, and for how many seconds after it came in a reply waits for the mail that it
    answers."""

    model_config = SettingsConfigDict(
        env_prefix="MAIL_AUTOMATOR_TICKET_WRITER_", frozen=True, hide_input_in_errors=True
    )

    window: int = Field(default=300, ge=1, le=2000)
    batch: int = Field(default=100, ge=1, le=500)
    parent_wait_seconds: float = Field(default=120, ge=0, le=3600)
