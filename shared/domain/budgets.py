"""How many acknowledgements may be sent: per address, per domain, and in all. Pure arithmetic; the store counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Scope(StrEnum):
    """What a budget is for."""

    ADDRESS = "address"
    DOMAIN = "domain"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits. An address has sliding windows; a domain and all together have the hour of the clock (UTC)."""

    address_per_hour: int = 1
    address_per_day: int = 5
    domain_per_hour: int = 100
    global_per_hour: int = 1000

    def address_allows(self, sent: Sequence[datetime], now: datetime) -> bool:
        """Whether an address may get one more, after those at `sent`."""
        last_hour = sum(1 for at in sent if at > now - HOUR)
        last_day = sum(1 for at in sent if at > now - DAY)
        return last_hour < self.address_per_hour and last_day < self.address_per_day

    def per_hour(self, scope: Scope) -> int:
        """The limit of an hour."""
        return {
            Scope.ADDRESS: self.address_per_hour,
            Scope.DOMAIN: self.domain_per_hour,
            Scope.GLOBAL: self.global_per_hour,
        }[scope]


def hour_of(instant: datetime) -> int:
    """The hour that an instant is in, counted since 1970."""
    return int(instant.timestamp()) // 3600


def budget_address(address: str) -> str:
    """The address that is counted: `name+anything@domain` is `name@domain`, so that tags buy nothing."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
