"""A rejected mail, replayed by command line through every real service: its ticket, both decisions, balanced books."""

import asyncio
import json
from pathlib import Path

import pytest

from shared.domain.decision import Kind
from tests.support.canary import secret
from tests.support.mails import mail
from tests.support.pipeline import pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


async def test_a_rejected_mail_is_overruled_and_a_kinder_rule_lets_the_other_pass(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    async with pipeline(tmp_path, {"support": secret()}, broker_url=rabbitmq_url) as running:
        await running.add_mailbox("support", "support", "domains: {blockedSenders: ['*@a.example', '*@b.example']}")
        for sender in ("x@a.example", "x@b.example"):
            running.dovecot.deliver("support", mail(sender=sender, subject=sender))
        await running.settled("support", 2)
        await running.add_mailbox("support", "support", "domains: {blockedSenders: ['*@a.example']}")
        code, out, err = await running.command("replay", "-m", "support", "--since", "1h", "--yes", "-o", "json")
        assert code == 0, err
        (kinder,) = json.loads(out)["replayed"]
        (other,) = [one.mail_id for one in await running.entries("support") if one.mail_id != kinder]
        code, _, err = await running.command("replay", other, "--as-ticket", "--why", "A customer.", "--yes")
        assert code == 0, err
        async with asyncio.timeout(60):
            while await running.store.tickets.count() < 2:
                await asyncio.sleep(0.2)
        for entry in await running.settled("support", 2):
            assert entry.decision is not None
            assert (entry.decision.kind, entry.decision.version) == (Kind.TICKET, 2)
            assert [one.decision.kind for one in entry.history] == [Kind.REJECTED]
        code, out, _ = await running.command("trace", other)
        assert "A customer." in out and "blocked_sender" in out
        await running.balance()
