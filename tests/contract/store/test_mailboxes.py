"""Mailboxes change only over the revision that was read, and their secrets open only for their host and user."""

import asyncio
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError, Permanent
from shared.domain.mailbox import Mailbox
from shared.store.client import Store
from shared.store.failures import Conflict
from shared.store.keys import create_key_file
from shared.store.settings import StoreSettings
from tests.support.builders import mailbox
from tests.support.canary import WORD, secret
from tests.support.embedded_store import FROM_THE_ENVIRONMENT, FakeClock

SECRET = secret("ünïcode \u2713")
PASSWORD = {"auth.password": SecretStr(SECRET)}


def stored(name: str = "support", **changes: Any) -> Mailbox:
    """A mailbox whose password is in our store."""
    return mailbox(name, **{"auth": {"type": "basic", "password_from": {"stored": True}}, **changes})


async def test_a_mailbox_comes_back_as_it_was_put_and_mailboxes_are_listed_by_name(store: Store) -> None:
    rules = {"blocked_senders": ["*@spam.example"], "only_if_in_to": True}
    later = {"host": "imap.example.com", "start_from": "2026-02-03", "ca_file": "/etc/ca.pem"}
    one = mailbox("b", imap=later, domains=rules).model_copy(update={"labels": {"app.example/team": "x"}})
    two = mailbox("a", auth={"type": "basic", "password_from": {"env": "X"}})
    assert [await store.mailboxes.put(each, {}) for each in (one, two)] == [one, two]
    assert await store.mailboxes.all() == (two, one)
    assert await store.mailboxes.get("b") == one
    assert await store.mailboxes.get("c") is None


async def test_each_change_is_a_new_revision_and_every_version_is_kept(store: Store) -> None:
    first = await store.mailboxes.put(mailbox(), {})
    second = await store.mailboxes.put(first.model_copy(update={"spec": mailbox(email="new@example.com").spec}), {})
    assert (first.revision, second.revision) == (1, 2)
    assert await store.mailboxes.get("support") == second
    versions = await store.collection("mailbox_versions").find({"name": "support"})
    assert {one["revision"]: one["spec"]["email"] for one in versions} == {
        1: "support@example.com",
        2: "new@example.com",
    }


async def test_of_many_who_change_the_same_revision_one_succeeds_and_the_others_are_told(store: Store) -> None:
    first = await store.mailboxes.put(mailbox(), {})
    results = await asyncio.gather(
        *(store.mailboxes.put(first.model_copy(update={"labels": {"by": str(n)}}), {}) for n in range(6)),
        return_exceptions=True,
    )
    (winner,) = [one for one in results if isinstance(one, Mailbox)]
    assert sum(isinstance(one, Conflict) for one in results) == 5
    assert await store.mailboxes.get("support") == winner


async def test_of_many_who_create_the_same_mailbox_one_succeeds(store: Store) -> None:
    results = await asyncio.gather(*(store.mailboxes.put(mailbox(), {}) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Mailbox) for one in results) >= 1
    found = await store.mailboxes.get("support")
    assert found is not None and found.revision == sum(isinstance(one, Mailbox) for one in results)


async def test_who_wants_to_create_never_changes_what_is_there(store: Store) -> None:
    boxes = [mailbox(email=f"{n}@example.com") for n in range(5)]
    results = await asyncio.gather(
        *(store.mailboxes.put(one, {}, create=True) for one in boxes), return_exceptions=True
    )
    (winner,) = [one for one in results if isinstance(one, Mailbox)]
    assert sum(isinstance(one, Conflict) for one in results) == 4
    with pytest.raises(Conflict):
        await store.mailboxes.put(mailbox(), {}, create=True)
    assert await store.mailboxes.get("support") == winner


async def test_a_mailbox_that_is_made_again_goes_on_counting_its_revisions(store: Store) -> None:
    first = await store.mailboxes.put(mailbox(), {})
    await store.mailboxes.put(first, {})
    assert await store.mailboxes.delete("support")
    assert not await store.mailboxes.delete("support")
    assert (await store.mailboxes.put(mailbox(), {})).revision == 3


async def test_changing_a_mailbox_that_was_deleted_meanwhile_is_a_conflict(store: Store) -> None:
    first = await store.mailboxes.put(mailbox(), {})
    second = await store.mailboxes.put(first, {})
    await store.mailboxes.delete("support")
    with pytest.raises(Conflict):
        await store.mailboxes.put(second, {})


async def test_a_pause_survives_a_change_and_every_change_moves_the_generation(store: Store) -> None:
    generations = [await store.config.generation()]

    async def moved() -> bool:
        generations.append(await store.config.generation())
        return generations[-1] > generations[-2]

    first = await store.mailboxes.put(mailbox(), {})
    assert await moved()
    paused = await store.mailboxes.set_paused("support", True)
    assert await moved()
    assert paused.paused and not paused.active and paused.revision == first.revision
    changed = await store.mailboxes.put(first, {})
    assert await moved()
    assert changed.paused and await store.mailboxes.get("support") == changed
    await store.mailboxes.delete("support")
    assert await moved()


async def test_the_known_mailboxes_are_those_of_the_last_change(store: Store) -> None:
    await store.mailboxes.put(mailbox("b"), {}, create=True)
    assert [one.name for one in await store.mailboxes.known()] == ["b"]
    await store.mailboxes.put(mailbox("a"), {}, create=True)
    assert [one.name for one in await store.mailboxes.known()] == ["a", "b"]
    await store.mailboxes.set_paused("a", True)
    assert [one.paused for one in await store.mailboxes.known()] == [True, False]
    await store.mailboxes.delete("b")
    assert await store.mailboxes.known() == await store.mailboxes.all()
    assert [one.name for one in await store.mailboxes.known()] == ["a"]


async def test_pausing_a_mailbox_that_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(Permanent, match="no mailbox nowhere"):
        await store.mailboxes.set_paused("nowhere", True)


async def test_a_stored_secret_is_revealed_and_is_nowhere_in_the_store_in_the_clear(store: Store) -> None:
    put = await store.mailboxes.put(stored(), PASSWORD)
    revealed = await store.secrets.reveal(put, "auth.password")
    assert revealed.get_secret_value() == SECRET
    kept = [await store.collection(name).find({}) for name in ("mailboxes", "mailbox_versions")]
    assert WORD not in repr(kept)
    assert WORD not in repr(await store.mailboxes.all())


async def test_an_inline_password_is_sealed_and_never_written(store: Store) -> None:
    put = await store.mailboxes.put(mailbox(auth={"type": "basic", "password": SECRET}), {})
    assert WORD not in repr(await store.collection("mailboxes").find({}))
    assert put.spec.auth.password is None
    assert (await store.secrets.reveal(put, "auth.password")).get_secret_value() == SECRET


async def test_a_stored_secret_stays_through_a_change_that_leaves_host_and_user_alone(store: Store) -> None:
    first = await store.mailboxes.put(stored(), PASSWORD)
    second = await store.mailboxes.put(first.model_copy(update={"labels": {"a": "b"}}), {})
    assert (await store.secrets.reveal(second, "auth.password")).get_secret_value() == SECRET


@pytest.mark.parametrize(
    "changes",
    [
        {"imap": {"host": "evil.example"}},
        {"imap": {"host": "imap.example.com", "port": 1993}},
        {"imap": {"host": "imap.example.com", "encryption": "starttls"}},
        {"auth": {"type": "basic", "username": "root", "password_from": {"stored": True}}},
        {"smtp": {"host": "evil.example"}},
    ],
)
async def test_a_stored_secret_does_not_follow_to_another_host_or_user(store: Store, changes: dict[str, Any]) -> None:
    first = await store.mailboxes.put(stored(), PASSWORD)
    moved = first.model_copy(update={"spec": stored(**changes).spec})
    told = "changed since the stored password was given"
    with pytest.raises(ConfigurationError, match=told) as caught:
        await store.mailboxes.put(moved, {})
    assert "mailbox support, auth.password" in caught.value.line()
    assert caught.value.line().endswith("-> give the password again")
    with pytest.raises(ConfigurationError, match=told):
        await store.secrets.reveal(moved, "auth.password")
    assert await store.mailboxes.get("support") == first


async def test_a_stored_secret_that_was_never_given_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no secret is stored") as caught:
        await store.mailboxes.put(stored(), {})
    assert caught.value.remedy == "give the password again"
    assert await store.mailboxes.all() == ()


async def test_a_stored_mailbox_of_an_older_form_is_made_again_and_the_error_says_so(store: Store) -> None:
    """As versions before envelope encryption wrote it."""
    first = await store.mailboxes.put(stored(), PASSWORD)
    former = [{"field": "auth.password", "key_id": "k", "binding": "b", "nonce": "AAAA", "sealed": "AAAA"}]
    await store.collection("mailboxes").update(
        {"_id": "support"}, {"$set": {"secrets": former}, "$unset": {"secrets_rev": 1}}
    )
    with pytest.raises(ConfigurationError, match="given for another server or user"):
        await store.secrets.reveal(first, "auth.password")
    with pytest.raises(ConfigurationError, match="older form") as caught:
        await store.mailboxes.put(first, PASSWORD)
    assert caught.value.remedy.startswith("delete it and make it again")
    assert await store.mailboxes.delete("support")
    again = await store.mailboxes.put(stored(), PASSWORD)
    assert (await store.secrets.reveal(again, "auth.password")).get_secret_value() == SECRET


async def test_a_secret_that_is_not_referred_to_any_more_is_gone(store: Store) -> None:
    first = await store.mailboxes.put(stored(), PASSWORD)
    second = await store.mailboxes.put(
        first.model_copy(
            update={"spec": mailbox(auth={"type": "basic", "password_from": {"env": "SUPPORT_PASSWORD"}}).spec}
        ),
        {},
    )
    (kept,) = await store.collection("mailboxes").find({})
    assert kept["secrets"] == []
    assert (await store.secrets.reveal(second, "auth.password")).get_secret_value() == FROM_THE_ENVIRONMENT


async def test_imap_and_smtp_passwords_are_kept_apart(store: Store) -> None:
    smtp = {"host": "smtp.example.com", "username": "out", "password_from": {"stored": True}}
    given = PASSWORD | {"smtp.password": SecretStr(secret("other"))}
    put = await store.mailboxes.put(stored(smtp=smtp), given)
    assert (await store.secrets.reveal(put, "smtp.password")).get_secret_value() == secret("other")
    assert (await store.secrets.reveal(put, "auth.password")).get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "expected"), [("pw\n", "pw"), ("pw\r\n", "pw"), (" p w\n\n", " p w\n"), ("pw", "pw")]
)
async def test_one_newline_at_the_end_of_a_secret_file_is_not_part_of_it(
    store: Store, tmp_path: Path, content: str, expected: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content.encode())
    box = mailbox(auth={"type": "basic", "password_from": {"file": str(file)}})
    assert (await store.secrets.reveal(box, "auth.password")).get_secret_value() == expected


@pytest.mark.parametrize(
    "source", [{"file": "/nowhere/at/all"}, {"file": "/dev/null"}, {"env": "NOT_SET_ANYWHERE"}, None]
)
async def test_a_secret_that_is_missing_says_where_and_what_to_do(store: Store, source: dict[str, str] | None) -> None:
    box = mailbox(auth={"type": "basic", "password_from": source})
    with pytest.raises(ConfigurationError) as caught:
        await store.secrets.reveal(box, "auth.password")
    assert caught.value.code == "secret_missing"
    assert "mailbox support, auth.password" in caught.value.line() and " -> " in caught.value.line()
    assert "\n" not in caught.value.line()


async def test_after_the_key_was_replaced_a_secret_does_not_open_and_the_error_names_the_keys_only(
    store: Store, store_settings: StoreSettings, clock: FakeClock, tmp_path: Path
) -> None:
    put = await store.mailboxes.put(stored(), PASSWORD)
    create_key_file(tmp_path / "other.key")
    other = store_settings.model_copy(update={"key_file": tmp_path / "other.key"})
    reader = await Store.open(other, clock=clock)
    with pytest.raises(ConfigurationError, match="is under key") as caught:
        await reader.secrets.reveal(put, "auth.password")
    assert caught.value.code == "secret_key_missing"
    assert WORD not in "".join(traceback.format_exception(caught.value))
    await reader.close()


async def test_without_a_key_file_nothing_secret_is_written_and_the_error_says_how_to_make_one(
    store_settings: StoreSettings, clock: FakeClock
) -> None:
    keyless = await Store.open(store_settings.model_copy(update={"key_file": None}), clock=clock)
    with pytest.raises(ConfigurationError) as caught:
        await keyless.mailboxes.put(stored(), PASSWORD)
    assert caught.value.code == "key_file_missing" and "MAIL_AUTOMATOR_STORE_KEY_FILE" in caught.value.line()
    assert await keyless.mailboxes.all() == ()
    await keyless.close()
