"""Tokens on behalf of people: msal, our identity provider with rotation and reuse detection, and the real store."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from pydantic import SecretStr

from shared.domain.errors import AutomatorError, ConfigurationError, StoreUnavailable
from shared.domain.mailbox import Mailbox
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.errors import ProviderUnavailable, SignInNeeded, SignInRefused
from shared.oauth.person import PersonSignIn
from shared.oauth.values import Token
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from shared.store.sign_ins import SignIns
from tests.contract.oauth.conftest import SECRET
from tests.support.dying import dies
from tests.support.fetching import eventually
from tests.support.identity import Provider
from tests.support.sign_ins import (
    PUBLIC_CLIENT,
    REDIRECT,
    WHERE,
    application,
    delegated_mailbox,
    person_signs_in,
    register,
    signed_in,
    visit,
)


@pytest.fixture
def identity(provider: Provider) -> Provider:
    """Where people sign in. Tokens live so long that each is due for renewal at once."""
    register(provider)
    provider.lifetime = 200
    return provider


@pytest_asyncio.fixture
async def tokens(identity: Provider, store: Store) -> AsyncIterator[DelegatedTokens]:
    made = DelegatedTokens(identity.authorities, Clock(), store.sign_ins, 3)
    yield made
    await made.close()


async def stored(store: Store, mailbox: Mailbox) -> Mailbox:
    return await store.mailboxes.put(mailbox, {})


async def given(tokens: DelegatedTokens, store: Store, mailbox: Mailbox, *, anyway: bool = False) -> Token:
    return await tokens.token(mailbox, await application(store, mailbox), anyway=anyway)


async def refused(tokens: DelegatedTokens, store: Store, mailbox: Mailbox) -> AutomatorError:
    with pytest.raises(AutomatorError) as caught:
        await given(tokens, store, mailbox)
    return caught.value


async def refresh_token(store: Store, mailbox: Mailbox) -> str:
    """The one that the store keeps."""
    found = await store.sign_ins.open(mailbox)
    (one,) = json.loads(found.cache.get_secret_value())["RefreshToken"].values()
    return one["secret"]


def newest(identity: Provider) -> str:
    """The one that the provider gave last."""
    return list(identity.families)[-1]


# --- signing in -----------------------------------------------------------------------------------------------------


async def test_a_person_signs_in_with_pkce_and_says_who_it_is(identity: Provider, store: Store) -> None:
    granted = await person_signs_in(store, identity, delegated_mailbox(identity), "ann@desk.example")
    assert (granted.account, granted.public) == ("ann@desk.example", True)
    assert "RefreshToken" in granted.cache.get_secret_value()
    assert "RefreshToken" not in repr(granted)


async def test_a_code_is_worth_nothing_to_whoever_does_not_know_the_verifier(identity: Provider, store: Store) -> None:
    """PKCE: the verifier of another sign-in does not redeem the code."""
    who, door = await application(store, delegated_mailbox(identity)), PersonSignIn(identity.authorities, 3)
    one, other = [await door.begin(who, WHERE, REDIRECT, "a-state") for _ in range(2)]
    with pytest.raises(SignInRefused) as caught:
        await door.finish(who, WHERE, other.flow, await visit(identity, one.url))
    door.close()
    assert identity.grants == ["authorization_code"]
    assert identity.families == {}
    assert "verifier" not in caught.value.line()


async def test_an_answer_with_another_state_asks_for_nothing(identity: Provider, store: Store) -> None:
    who, door = await application(store, delegated_mailbox(identity)), PersonSignIn(identity.authorities, 3)
    begun = await door.begin(who, WHERE, REDIRECT, "a-state")
    back = await visit(identity, begun.url)
    with pytest.raises(AutomatorError):
        await door.finish(who, WHERE, begun.flow, {**back, "state": "another"})
    door.close()
    assert identity.grants == []


@pytest.mark.parametrize("secret", [SECRET, None])
async def test_both_kinds_of_clients_work(
    identity: Provider, store: Store, tokens: DelegatedTokens, secret: str | None
) -> None:
    """One with a secret proves itself at the sign-in and at each renewal; a public one has none."""
    own = {"client_id": "app-1", "client_secret": secret} if secret else {"client_id": PUBLIC_CLIENT}
    mailbox = await stored(store, delegated_mailbox(identity, **own))
    identity.clients["app-1"].public_flows = False
    await signed_in(store, identity, mailbox)
    assert (await given(tokens, store, mailbox)).fresh


async def test_a_public_client_at_an_application_that_wants_its_secret_is_told_so(
    identity: Provider, store: Store
) -> None:
    with pytest.raises(SignInRefused) as caught:
        await person_signs_in(store, identity, delegated_mailbox(identity, client_id="app-1"))
    assert caught.value.code == "oauth_public_client_off"
    assert "Allow public client flows" in caught.value.remedy


async def test_a_sign_in_that_cannot_last_is_refused(identity: Provider, store: Store) -> None:
    identity.stays = False
    with pytest.raises(SignInRefused) as caught:
        await person_signs_in(store, identity, delegated_mailbox(identity))
    assert "offline_access" in caught.value.remedy


async def test_a_code_typed_in_elsewhere_signs_in_as_well(identity: Provider, store: Store) -> None:
    who, door = await application(store, delegated_mailbox(identity)), PersonSignIn(identity.authorities, 3)
    code = await door.device(who, WHERE)
    assert await door.device_answer(who, WHERE, code) is None
    identity.person = "ann@desk.example"
    identity.approve(code.user_code)
    await asyncio.sleep(code.interval)
    granted = await door.device_answer(who, WHERE, code)
    door.close()
    assert granted is not None and (granted.account, granted.public) == ("ann@desk.example", True)


async def test_a_sign_in_by_code_is_renewed_without_the_secret_it_was_made_without(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity, client_id="app-1", client_secret=SECRET))
    who, door = await application(store, mailbox), PersonSignIn(identity.authorities, 3)
    code = await door.device(who, WHERE)
    identity.approve(code.user_code)
    granted = await door.device_answer(who, WHERE, code)
    door.close()
    assert granted is not None and granted.public
    await store.sign_ins.put(mailbox, granted.cache, account=granted.account, by="x", public=granted.public)
    identity.clients["app-1"].secret = "changed"
    assert (await given(tokens, store, mailbox)).fresh


# --- renewal --------------------------------------------------------------------------------------------------------


async def test_a_token_serves_until_five_minutes_before_it_expires(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    identity.lifetime = 3600
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    found = await given(tokens, store, mailbox)
    assert not found.fresh and identity.refreshes == 0
    tokens.forget(mailbox.name, found)
    assert (await given(tokens, store, mailbox)).fresh, "the mail server refused the old one"
    assert identity.refreshes == 1


async def test_the_rotated_refresh_token_is_the_one_that_is_stored(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    first = await signed_in(store, identity, mailbox)
    for _ in range(3):
        await given(tokens, store, mailbox)
        assert await refresh_token(store, mailbox) == newest(identity)
    state = await store.sign_ins.state(mailbox)
    assert (identity.refreshes, state.needed) == (3, False)
    assert (state.first_rev, state.rev > first.rev) == (first.first_rev, True)


async def test_many_who_ask_at_once_cause_one_renewal(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.delay, identity.lifetime = 0.3, 3600
    found = await asyncio.gather(*(given(tokens, store, mailbox) for _ in range(10)))
    assert identity.refreshes == 1
    assert len({one.secret for one in found}) == 1


async def test_two_processes_that_renew_at_once_lose_no_refresh_token(identity: Provider, store: Store) -> None:
    """The provider ends a sign-in whose refresh token is used twice, so only one may ask; the other uses its result."""
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.delay, identity.lifetime = 0.5, 3600
    both = [DelegatedTokens(identity.authorities, Clock(), store.sign_ins, 3) for _ in range(2)]
    one, other = await asyncio.gather(*(given(tokens, store, mailbox) for tokens in both))
    for tokens in both:
        await tokens.close()
    assert (identity.refreshes, one.secret == other.secret) == (1, True)
    assert await refresh_token(store, mailbox) == newest(identity)


async def test_whoever_renews_after_another_did_uses_the_others_result(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    """The compare-and-set: a renewal over a rev that is gone is not stored, and the winner's stays."""
    mailbox = await stored(store, delegated_mailbox(identity))
    old = await store.sign_ins.open(mailbox)
    await signed_in(store, identity, mailbox)
    before = (await store.sign_ins.state(mailbox)).rev
    await given(tokens, store, mailbox)
    kept = await refresh_token(store, mailbox)
    assert not await store.sign_ins.renew(mailbox, before, SecretStr("{}"))
    assert not await store.sign_ins.refuse(mailbox, before, old.lack)
    assert await refresh_token(store, mailbox) == kept == newest(identity)


async def test_a_renewal_is_stored_though_nobody_waits_for_it_any_more(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    """A mailbox that is changed or paused at that moment: its watch is cancelled, the renewal is not."""
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.delay = 0.5
    asking = asyncio.create_task(given(tokens, store, mailbox))
    await eventually(_asked(identity), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await tokens.close()
    assert await refresh_token(store, mailbox) == newest(identity)


def _asked(identity: Provider):
    async def asked() -> bool:
        return any(path.endswith("/token") for path in identity.requests[1:])

    return asked


class Away:
    """The store's sign-ins; the store is away for the first two renewals."""

    def __init__(self, sign_ins: SignIns) -> None:
        self._sign_ins = sign_ins
        self.left = 2

    def __getattr__(self, name: str) -> object:
        return getattr(self._sign_ins, name)

    async def renew(self, mailbox: Mailbox, rev: int, cache: SecretStr) -> bool:
        if self.left:
            self.left -= 1
            raise StoreUnavailable("the store is away")
        return await self._sign_ins.renew(mailbox, rev, cache)


async def test_a_token_is_not_handed_out_before_the_store_has_confirmed(identity: Provider, store: Store) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    away = Away(store.sign_ins)
    tokens = DelegatedTokens(identity.authorities, Clock(), away, 3)
    assert (await given(tokens, store, mailbox)).fresh
    await tokens.close()
    assert away.left == 0
    assert identity.refreshes == 1
    assert await refresh_token(store, mailbox) == newest(identity)


@pytest.mark.parametrize("when", ["after", "before"])
async def test_a_process_that_is_killed_after_it_stored_the_rotated_token_costs_no_person_a_sign_in(
    identity: Provider, store: Store, store_settings: StoreSettings, tokens: DelegatedTokens, when: str
) -> None:
    """F36, kill -9. `before` is the one place where a person must sign in again, and the mailbox says so."""
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    place = (mailbox.name, identity.authority, str(identity.certificates.ca_file))
    victim = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.support.renewing", when, *place],
        env={
            "PYTHONPATH": ":".join(one for one in sys.path if one),
            "MAIL_AUTOMATOR_STORE_URL": store_settings.url.get_secret_value(),
            "MAIL_AUTOMATOR_STORE_DATABASE": store_settings.database,
            "MAIL_AUTOMATOR_STORE_KEY_FILE": str(store_settings.key_file),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert victim.returncode == -9, victim.stderr[-2000:]
    assert identity.refreshes == 1
    if when == "after":
        assert await refresh_token(store, mailbox) == newest(identity)
        assert (await given(tokens, store, mailbox)).fresh
        assert not (await store.sign_ins.state(mailbox)).needed
    else:
        await store.sign_ins.release(mailbox.name, (await store.sign_ins.state(mailbox)).rev)
        assert isinstance(await refused(tokens, store, mailbox), SignInNeeded)
        assert (await store.sign_ins.state(mailbox)).needed


@pytest.mark.parametrize(
    ("point", "refreshes"), [("oauth.after_claim", 0), ("oauth.after_renewal", 1), ("oauth.after_release", 0)]
)
async def test_a_process_that_dies_after_any_step_of_a_renewal_costs_no_person_a_sign_in(
    identity: Provider,
    store: Store,
    store_settings: StoreSettings,
    tokens: DelegatedTokens,
    point: str,
    refreshes: int,
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.busy = 10 if point == "oauth.after_release" else 0
    await dies(store_settings, point, "renews", mailbox.name, identity.authority, str(identity.certificates.ca_file))
    identity.busy = 0
    assert identity.refreshes == refreshes
    rev = (await store.sign_ins.state(mailbox)).rev
    if point == "oauth.after_claim":
        assert not await store.sign_ins.claim(mailbox.name, rev), "the dead one has it until it runs out"
        await store.sign_ins.release(mailbox.name, rev)
    assert (await given(tokens, store, mailbox)).fresh
    assert not (await store.sign_ins.state(mailbox)).needed


async def test_a_process_that_dies_after_a_refusal_has_remembered_it(
    identity: Provider, store: Store, store_settings: StoreSettings, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.end_sign_ins(50173)
    place = (mailbox.name, identity.authority, str(identity.certificates.ca_file))
    await dies(store_settings, "oauth.after_refusal", "renews", *place)
    assert isinstance(await refused(tokens, store, mailbox), SignInNeeded)
    assert identity.refreshes == 1, "it is not asked again"


# --- sign in again --------------------------------------------------------------------------------------------------

REASONS = [
    (50173, "sign_in_needed"),
    (700082, "sign_in_needed"),
    (70000, "sign_in_needed"),
    (700084, "sign_in_needed"),
    (50076, "sign_in_proof_needed"),
    (65001, "oauth_consent_missing"),
    (53003, "oauth_blocked_by_policy"),
    (9999999, "sign_in_needed"),
]


@pytest.mark.parametrize(("number", "code"), REASONS)
async def test_a_refused_sign_in_is_asked_about_once_and_remembered(
    identity: Provider, store: Store, tokens: DelegatedTokens, number: int, code: str
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.end_sign_ins(number)
    other = DelegatedTokens(identity.authorities, Clock(), store.sign_ins, 3)
    for asking in (tokens, tokens, other):
        error = await refused(asking, store, mailbox)
        assert isinstance(error, SignInNeeded)
        assert (error.code, bool(error.remedy), f"AADSTS{number}" in error.what) == (code, True, True)
    await other.close()
    assert identity.refreshes == 1
    lack = (await store.sign_ins.state(mailbox)).lack
    assert lack is not None and lack.code == code


async def test_a_new_sign_in_or_a_changed_mailbox_is_tried_again(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.end_sign_ins(53003)
    await refused(tokens, store, mailbox)
    mailbox = await stored(store, mailbox)
    await refused(tokens, store, mailbox)
    assert identity.refreshes == 2
    await signed_in(store, identity, mailbox)
    assert (await given(tokens, store, mailbox)).fresh


async def test_a_person_who_tests_asks_anyway_and_heals_what_was_only_a_policy(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.end_sign_ins(53003)
    await refused(tokens, store, mailbox)
    identity.end_sign_ins(0)
    assert isinstance(await refused(tokens, store, mailbox), SignInNeeded)
    assert (await given(tokens, store, mailbox, anyway=True)).fresh
    assert not (await store.sign_ins.state(mailbox)).needed


async def test_nobody_who_signed_in_is_the_same_state(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    error = await refused(tokens, store, mailbox)
    assert (type(error), error.code, "mailbox sign-in" in error.remedy) == (SignInNeeded, "sign_in_needed", True)
    assert identity.grants == []


@pytest.mark.parametrize("change", [{"client_id": "app-1", "client_secret": SECRET}, {"user": "requests@desk.example"}])
async def test_a_sign_in_serves_only_the_server_user_and_application_it_was_made_for(
    identity: Provider, store: Store, tokens: DelegatedTokens, change: dict[str, str]
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    before = list(identity.grants)
    changed = await stored(store, delegated_mailbox(identity, **change))
    error = await refused(tokens, store, changed)
    assert (type(error), identity.grants) == (SignInNeeded, before)
    assert "another one" in error.what


async def test_a_deleted_mailbox_loses_its_sign_in(identity: Provider, store: Store) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    await store.mailboxes.delete(mailbox.name)
    again = await stored(store, delegated_mailbox(identity).model_copy(update={"revision": 1}))
    assert (await store.sign_ins.state(again)).needed


async def test_a_rev_is_never_used_twice(identity: Provider, store: Store) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    first = await signed_in(store, identity, mailbox)
    assert await store.sign_ins.forget(mailbox.name)
    assert not await store.sign_ins.forget(mailbox.name)
    second = await signed_in(store, identity, mailbox)
    assert second.first_rev > first.rev > 0


# --- the identity server is away ------------------------------------------------------------------------------------


async def test_a_provider_that_is_away_is_transient_and_the_old_token_serves_while_it_is_good(
    identity: Provider, store: Store, tokens: DelegatedTokens
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    identity.go_away()
    found = await given(tokens, store, mailbox)
    assert not found.fresh and found.expires_at > datetime.now(UTC)
    tokens.forget(mailbox.name, found)
    assert isinstance(await refused(tokens, store, mailbox), ProviderUnavailable)
    assert not (await store.sign_ins.state(mailbox)).needed
    identity.come_back()
    assert (await given(tokens, store, mailbox)).fresh


async def test_without_the_key_nothing_is_asked_and_nothing_is_lost(
    identity: Provider, store: Store, store_settings: StoreSettings
) -> None:
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    keyless = await Store.open(store_settings.model_copy(update={"key_file": None}), clock=Clock())
    tokens = DelegatedTokens(identity.authorities, Clock(), keyless.sign_ins, 3)
    error = await refused(tokens, keyless, mailbox)
    await tokens.close()
    await keyless.close()
    assert isinstance(error, ConfigurationError) and error.code == "secret_key_missing"
    assert identity.refreshes == 0


async def test_neither_tokens_nor_codes_are_in_the_store_in_the_clear_or_in_a_log(
    identity: Provider,
    store: Store,
    tokens: DelegatedTokens,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox = await stored(store, delegated_mailbox(identity))
    await signed_in(store, identity, mailbox)
    await given(tokens, store, mailbox)
    identity.end_sign_ins()
    error = await refused(tokens, store, mailbox)
    said = capfd.readouterr()
    kept = str(await store.collection("sign_ins").find({}))
    text = f"{kept} {error.line()} {error!r} {caplog.text} {said.out} {said.err}"
    secrets = [*identity.issued, *identity.families]
    assert len(secrets) == 4
    assert [one for one in secrets if one in text] == []
