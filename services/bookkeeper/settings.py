"""How often the bookkeeper looks, and when it calls a mail stuck."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class BookkeeperSettings(BaseSettings):
    """Seconds, all of them. `stalled` is without progress while the queues are empty; `lost` whatever they hold.
    The hours of the console's overview are counted each `statistics_seconds`.

    Days, since a mail came to its end; 0 keeps it: `rejected_raw` is the raw mail of what was rejected, `trace` what
    the stages said of any mail, `ledger` who sent a rejected mail or a repeat and what it was about. `audit` is the
    audit log. All is looked at each `retention_seconds`."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_BOOKKEEPER_", frozen=True, hide_input_in_errors=True)

    look_seconds: float = Field(default=5, gt=0)
    stalled_seconds: float = Field(default=30, gt=0)
    lost_seconds: float = Field(default=300, gt=0)
    outbox_seconds: float = Field(default=15, gt=0)
    books_seconds: float = Field(default=15, gt=0)
    statistics_seconds: float = Field(default=60, gt=0)
    retention_seconds: float = Field(default=60, gt=0)
    rejected_raw_days: int = Field(default=90, ge=0, le=36_500)
    trace_days: int = Field(default=180, ge=0, le=36_500)
    ledger_days: int = Field(default=400, ge=0, le=36_500)
    audit_days: int = Field(default=730, ge=0, le=36_500)
    batch: int = Field(default=200, ge=1, le=2000)
