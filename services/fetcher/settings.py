"""The fetcher's settings. Times in seconds, sizes in bytes."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FetcherSettings(BaseSettings):
    """`id` must be unique among fetchers; empty makes one up. A fetcher that comes back under its old id gets its
    mailboxes back at once, instead of when its leases run out."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_FETCHER_", frozen=True, hide_input_in_errors=True)

    id: str = Field(default="", max_length=100)
    lease_seconds: float = Field(default=30, ge=3, le=600)
    follow_seconds: float = Field(default=1, gt=0, le=60)
    take_max: int = Field(
        default=50,
        ge=1,
        description="Mailboxes taken (and signed in to) at one look at most: a flood of sign-ins is what mail servers "
        "refuse.",
    )
    batch: int = Field(default=100, ge=1, le=200)
    batch_bytes: int = Field(default=4 * 1024 * 1024, ge=64 * 1024)
    mail_bytes_max: int = Field(
        default=50 * 1024 * 1024, ge=256 * 1024, description="Of a larger mail, the start is taken."
    )
    mailbox_bytes_per_hour: int = Field(
        default=1024 * 1024 * 1024,
        ge=64 * 1024,
        description="Of one mailbox. What is over waits on the server and is fetched as the hour passes.",
    )
    backlog_seconds: float = Field(
        default=0.75,
        ge=0.1,
        le=60,
        description="So long at most a backlog delays another mailbox's mail. More where the stages take longer even "
        "for a single mail: they would be idle.",
    )
    on_the_way_max: int = Field(
        default=2000, ge=100, description="Mails of one fetcher that are not done yet; more wait on the mail server."
    )
    connect_seconds: float = Field(default=30, gt=0)
    command_seconds: float = Field(default=60, gt=0)
    rejected_seconds: float = Field(default=900, gt=0, description="Wait after a rejected login.")
    reconcile_seconds: float = Field(default=6 * 3600, gt=0)
    reappeared_max: int = Field(
        default=500, ge=0, description="Mails that came back and are unknown; more wait for a person."
    )
