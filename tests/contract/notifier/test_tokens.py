"""Sending with an access token: msal, our identity provider, and an SMTP server that asks it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from tests.support.identity import TENANT, Client, Provider
from tests.support.notifying import mailbox, office, ticket
from tests.support.sign_ins import PUBLIC_CLIENT, register, signed_in
from tests.support.smtp_sink import USER, smtp_sink

SECRET = "the right secret~value"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """Running, with one application."""
    made = Provider(tmp_path / "identity", {"app-1": Client(SECRET, USER)})
    made.start()
    yield made
    made.stop()


def auth(provider: Provider, secret: str = SECRET) -> dict[str, str]:
    return {
        "type": "oauth2_microsoft",
        "client_id": "app-1",
        "tenant_id": TENANT,
        "authority": provider.authority,
        "client_secret": secret,
    }


async def test_a_token_signs_in_and_one_that_was_revoked_is_fetched_anew(
    store: Store, tmp_path: Path, provider: Provider
) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.tokens = lambda: [token for token, issued in provider.issued.items() if issued.until > 0]
        first, second = ticket(1), ticket(2)
        desk = await office(store, mailbox(sink, email=USER, auth=auth(provider)), authorities=provider.authorities)
        await desk.owe(first)
        await desk.look()
        assert (await desk.of(first)).state is State.SENT
        provider.revoke()
        await desk.owe(second)
        await desk.look()
        assert (await desk.of(second)).state is State.SENT
        assert (sink.sign_ins, sink.refused, provider.tokens_given) == (2, 1, 2)


async def test_a_client_secret_that_is_refused_is_the_mailboxs_trouble(
    store: Store, tmp_path: Path, provider: Provider
) -> None:
    async with smtp_sink(tmp_path) as sink:
        made = ticket()
        desk = await office(
            store, mailbox(sink, email=USER, auth=auth(provider, "canary-7f3")), authorities=provider.authorities
        )
        await desk.owe(made)
        await desk.look()
        waiting = await desk.of(made)
        assert waiting.state is State.PENDING
        assert waiting.status.code.startswith("oauth_")
        assert "canary-7f3" not in waiting.status.sentence


async def test_a_signed_in_person_sends_and_signing_in_is_asked_for_where_nobody_did(
    store: Store, tmp_path: Path, provider: Provider
) -> None:
    register(provider)
    async with smtp_sink(tmp_path) as sink:
        sink.tokens = lambda: [token for token, issued in provider.issued.items() if issued.until > 0]
        fields = {**auth(provider), "flow": "delegated", "client_id": PUBLIC_CLIENT}
        del fields["client_secret"]
        first = ticket()
        desk = await office(store, mailbox(sink, email=USER, auth=fields), authorities=provider.authorities)
        await desk.owe(first)
        await desk.look()
        waiting = await desk.of(first)
        assert (waiting.state, sink.connections) == (State.PENDING, 1)
        assert waiting.status.code == "sign_in_needed"
        stored = await store.mailboxes.get("support")
        assert stored is not None
        await signed_in(store, provider, stored)
        await desk.reaches(first, State.SENT)
