"""When somebody is told that a credential ends."""

from datetime import UTC, datetime, timedelta

import pytest

from services.console.expiring import endings
from services.console.mailbox_health import health
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from tests.support.builders import mailbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTH = {"type": "oauth2_microsoft", "client_id": "a", "tenant_id": "t", "client_secret_from": {"env": "S"}}


def told(box: Mailbox, certificate_until: datetime | None = None) -> list[str]:
    status = MailboxStatus(state=Phase.IDLE, since=NOW, last_success_at=NOW, certificate_until=certificate_until)
    return [one.what for one in endings([health(box, status, None, None, NOW)], NOW)]


@pytest.mark.parametrize(("days", "expected"), [(-3, ["client_secret"]), (30, ["client_secret"]), (31, [])])
def test_a_client_secret_is_told_a_month_before_its_last_day(days: int, expected: list[str]) -> None:
    until = (NOW + timedelta(days=days)).date()
    assert told(mailbox(auth={**AUTH, "client_secret_expires": until})) == expected


@pytest.mark.parametrize(("days", "expected"), [(-1, ["certificate"]), (13, ["certificate"]), (14, [])])
def test_a_certificate_is_told_two_weeks_before(days: int, expected: list[str]) -> None:
    assert told(mailbox(), NOW + timedelta(days=days)) == expected


def test_of_a_mailbox_that_is_not_read_nothing_is_told() -> None:
    assert told(mailbox(enabled=False), NOW) == []
