"""How the notifier works."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.notifier.patience import Waits
from services.notifier.smtp.session import Patience
from shared.domain.budgets import Budgets


class NotifierSettings(BaseSettings):
    """`..._per_hour` and `..._per_day` are budgets: acknowledgements to one address, to one registrable domain, and in
    all. `retry_seconds` doubles up to two hours, `rejected_seconds` (the server refuses to sign us in) up to six;
    `give_up_seconds` after its ticket an acknowledgement is given up. A claim that is not renewed for `claim_seconds`
    belongs to a process that was killed. A ticket whose news has not come `forgotten_seconds` after its creation is
    taken without it."""

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_NOTIFIER_", frozen=True, hide_input_in_errors=True)

    window: int = Field(default=200, ge=1, le=2000)
    batch: int = Field(default=50, ge=1, le=500)
    burst: int = Field(default=100, ge=1, le=1000)
    address_per_hour: int = Field(default=1, ge=1)
    address_per_day: int = Field(default=5, ge=1)
    domain_per_hour: int = Field(default=100, ge=1)
    global_per_hour: int = Field(default=1000, ge=1)
    look_seconds: float = Field(default=1, gt=0)
    forgotten_seconds: float = Field(default=120, ge=1)
    claim_seconds: float = Field(default=30, ge=1)
    connect_seconds: float = Field(default=30, gt=0)
    step_seconds: float = Field(default=120, gt=0)
    dot_seconds: float = Field(default=600, gt=0)
    retry_seconds: float = Field(default=60, gt=0)
    rejected_seconds: float = Field(default=900, gt=0)
    give_up_seconds: float = Field(default=86400, gt=0)
    drain_seconds: float = Field(default=15, ge=0)

    @property
    def budgets(self) -> Budgets:
        """The budgets."""
        return Budgets(self.address_per_hour, self.address_per_day, self.domain_per_hour, self.global_per_hour)

    @property
    def patience(self) -> Patience:
        """Deadlines of SMTP."""
        return Patience(self.connect_seconds, self.step_seconds, self.dot_seconds)

    @property
    def waits(self) -> Waits:
        """Pauses between tries."""
        return Waits(
            retry=timedelta(seconds=self.retry_seconds),
            rejected=timedelta(seconds=self.rejected_seconds),
            give_up=timedelta(seconds=self.give_up_seconds),
        )
