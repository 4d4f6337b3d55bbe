"""Every sealed thing in the store comes under the current key; nothing is lost, undone or shown on the way."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox
from shared.store.client import Store
from shared.store.collection import changed
from shared.store.encryption import Vault
from shared.store.failures import Conflict
from shared.store.keys import Keyring, create_key_file, from_file
from shared.store.rotation import Fate
from shared.store.settings import StoreSettings
from tests.support.builders import mailbox
from tests.support.dying import dies
from tests.support.embedded_store import FakeClock

Opener = Callable[..., Coroutine[Any, Any, Store]]


class Keys:
    """The files of an old and a new key."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = folder / "old.key", folder / "new.key"
        for file in (self.old, self.new):
            create_key_file(file)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest_asyncio.fixture
async def opened(store_settings: StoreSettings, clock: FakeClock) -> AsyncIterator[Opener]:
    """Opens the same store as another process would, with that key and those old ones."""
    async with AsyncExitStack() as stack:

        async def opener(key: Path, *old: Path) -> Store:
            changes = {"key_file": key, "old_key_files": ",".join(map(str, old))}
            store = await Store.open(store_settings.model_copy(update=changes), clock=clock)
            stack.push_async_callback(store.close)
            return store

        yield opener


async def put(store: Store, name: str, password: str = "hunter2") -> Mailbox:
    return await store.mailboxes.put(mailbox(name, auth={"type": "basic", "password": password}), {})


async def password(store: Store, name: str) -> str:
    found = await store.mailboxes.get(name)
    assert found is not None
    return (await store.secrets.reveal(found, "auth.password")).get_secret_value()


async def sign_in(store: Store, key: Path, name: str, text: str, rev: int = 1) -> None:
    """A token cache as the delegated sign-in keeps it."""
    sealed = Vault(Keyring.of(StoreSettings(key_file=key))).seal(SecretStr(text), name)
    await store.collection("sign_ins").insert({"_id": name, "sealed": sealed, "rev": rev})


async def test_all_is_readable_by_the_new_key_alone_and_a_second_time_changes_nothing(
    keys: Keys, opened: Opener
) -> None:
    before = await opened(keys.old)
    smtp = {"host": "smtp.example.com", "username": "out", "password": "out-secret"}
    two = mailbox("two", auth={"type": "basic", "password": "hunter2"}, smtp=smtp)
    await put(before, "one")
    await before.mailboxes.put(two, {})
    await before.mailboxes.put(mailbox("none"), {})
    rotating = await opened(keys.new, keys.old)
    assert await password(rotating, "one") == "hunter2"
    report = await rotating.rotation.rewrap()
    assert (report.rewrapped, report.already, report.left) == (3, 0, ())
    kept = await rotating.collection("mailboxes").find({})
    again = await rotating.rotation.rewrap()
    assert (again.rewrapped, again.already, again.left) == (0, 3, ())
    assert await rotating.collection("mailboxes").find({}) == kept
    after = await opened(keys.new)
    stored = await after.mailboxes.get("two")
    assert stored is not None and stored.revision == 1
    assert [await password(after, name) for name in ("one", "two")] == ["hunter2"] * 2
    assert (await after.secrets.reveal(stored, "smtp.password")).get_secret_value() == "out-secret"


async def test_a_rotation_that_dies_after_any_secret_is_finished_by_the_next(
    keys: Keys, opened: Opener, store_settings: StoreSettings
) -> None:
    before = await opened(keys.old)
    for name in ("one", "two"):
        await put(before, name)
    settings = store_settings.model_copy(update={"key_file": keys.new})
    await dies(settings, "store.after_rewrap", "rewraps", old_key=keys.old)
    rotating = await opened(keys.new, keys.old)
    assert [await password(rotating, name) for name in ("one", "two")] == ["hunter2"] * 2
    report = await rotating.rotation.rewrap()
    assert (report.rewrapped, report.already, report.left) == (1, 1, ())


async def test_sign_ins_are_rewrapped_too_and_whoever_renews_one_does_not_notice(keys: Keys, opened: Opener) -> None:
    rotating = await opened(keys.new, keys.old)
    await sign_in(rotating, keys.old, "support", "refresh-token", rev=7)
    assert (await rotating.rotation.rewrap()).rewrapped == 1
    (document,) = await rotating.collection("sign_ins").find({})
    alone = Vault(Keyring.of(StoreSettings(key_file=keys.new)))
    assert alone.open(document["sealed"], "support").get_secret_value() == "refresh-token"
    assert document["rev"] == 7


async def test_what_is_under_a_key_that_is_not_there_is_left_alone_and_named(keys: Keys, opened: Opener) -> None:
    await put(await opened(keys.old), "one")
    new = await opened(keys.new)
    await put(new, "two")
    (kept,) = await new.collection("mailboxes").find({"_id": "one"})
    report = await new.rotation.rewrap()
    (left,) = report.left
    assert (report.rewrapped, report.already) == (0, 1)
    assert (left.where, left.key_id) == ("mailbox one, auth.password", from_file(keys.old).key_id)
    assert left.problem is not None and left.key_id in left.problem.line()
    assert await new.collection("mailboxes").find({"_id": "one"}) == [kept]
    assert (await (await opened(keys.new, keys.old)).rotation.rewrap()).rewrapped == 1


async def test_what_is_damaged_or_of_another_form_is_named_and_stops_nothing(keys: Keys, opened: Opener) -> None:
    store = await opened(keys.new, keys.old)
    for name in ("a", "b"):
        await put(await opened(keys.old), name)
    former = [{"field": "auth.password", "key_id": "k", "nonce": "AAAA", "sealed": "AAAA", "binding": "x"}]
    await store.collection("mailboxes").update({"_id": "a"}, {"$set": {"secrets": former}})
    report = await store.rotation.rewrap()
    assert [(one.where, one.problem.code) for one in report.left if one.problem] == [
        ("mailbox a, auth.password", "secret_unreadable")
    ]
    assert (report.rewrapped, await password(store, "b")) == (1, "hunter2")


async def test_looking_writes_nothing(keys: Keys, opened: Opener) -> None:
    await put(await opened(keys.old), "one")
    store = await opened(keys.new, keys.old)
    kept = await store.collection("mailboxes").find({})
    assert [one.fate for one in await store.rotation.look()] == [Fate.REWRAPPED]
    assert await store.collection("mailboxes").find({}) == kept


async def test_without_a_current_key_nothing_is_touched(keys: Keys, opened: Opener, tmp_path: Path) -> None:
    await put(await opened(keys.old), "one")
    with pytest.raises(ConfigurationError, match="key file cannot be read"):
        await (await opened(tmp_path / "none", keys.old)).rotation.rewrap()
    assert await password(await opened(keys.old), "one") == "hunter2"


async def test_changes_made_while_it_runs_are_neither_lost_nor_undone_nor_left_under_the_old_key(
    keys: Keys, opened: Opener
) -> None:
    """Editors on processes that know both keys save new passwords, and labels over kept ones, as fast as they can."""
    editor, rotating = await opened(keys.new, keys.old), await opened(keys.new, keys.old)
    names = [f"box-{n}" for n in range(8)]
    for name in names:
        await put(await opened(keys.old), name, "first")

    async def edit(name: str) -> str:
        for n in range(6):
            current = await editor.mailboxes.get(name)
            assert current is not None
            secrets = {"auth.password": SecretStr(f"{name}-{n}")} if n % 3 == 2 else {}
            stored = await editor.mailboxes.put(current.model_copy(update={"labels": {"n": str(n)}}), secrets)
            assert stored.revision == n + 2
        return f"{name}-5"

    edits = asyncio.gather(*map(edit, names))
    while not edits.done():
        await rotating.rotation.rewrap()
    passwords = await edits
    assert (await rotating.rotation.rewrap()).left == ()
    after = await opened(keys.new)
    assert [await password(after, name) for name in names] == passwords
    assert {one.labels["n"] for one in await after.mailboxes.all()} == {"5"}


def slow_key(pipe: Path, content: bytes, *steps: Callable[[], object]) -> None:
    """A key file on which each reader waits until a step is done; after the last step it is a plain file."""

    def feed() -> None:
        for number, step in enumerate(steps, start=1):
            with pipe.open("wb") as waiting:
                step()
                waiting.write(content)
                pipe.rename(pipe.with_suffix(f".{number}"))
                os.mkfifo(pipe) if number < len(steps) else pipe.write_bytes(content)

    os.mkfifo(pipe)
    threading.Thread(target=feed, daemon=True).start()


async def test_a_change_over_secrets_that_were_rewrapped_meanwhile_keeps_the_new_wrapping(
    keys: Keys, opened: Opener, store_settings: StoreSettings, clock: FakeClock, tmp_path: Path
) -> None:
    """The editor has read the mailbox and waits for its key; a whole rotation passes."""
    out = {"host": "smtp.example.com", "username": "out", "password": "first"}
    box = mailbox("one", auth={"type": "basic", "password": "hunter2"}, smtp=out)
    first = await (await opened(keys.old)).mailboxes.put(box, {})

    async def rotation() -> None:
        other = store_settings.model_copy(update={"key_file": keys.new, "old_key_files": str(keys.old)})
        store = await Store.open(other, clock=clock)
        assert (await store.rotation.rewrap()).rewrapped == 2
        await store.close()

    slow_key(tmp_path / "slow.key", keys.new.read_bytes(), lambda: asyncio.run(rotation()))
    editor = await opened(tmp_path / "slow.key")
    saved = await editor.mailboxes.put(first, {"smtp.password": SecretStr("second")})
    after = await opened(keys.new)
    assert saved.revision == 2
    assert [one.fate for one in await after.rotation.look()] == [Fate.CURRENT] * 2
    assert await password(after, "one") == "hunter2"
    assert (await after.secrets.reveal(saved, "smtp.password")).get_secret_value() == "second"


async def test_a_rotation_over_a_secret_that_was_changed_meanwhile_keeps_the_new_secret(
    keys: Keys, opened: Opener, store_settings: StoreSettings, clock: FakeClock, tmp_path: Path
) -> None:
    """The rotation has read the mailbox and waits for its key; somebody gives another password."""
    first = await put(await opened(keys.old), "one")

    async def change() -> None:
        store = await Store.open(store_settings.model_copy(update={"key_file": keys.old}), clock=clock)
        await store.mailboxes.put(first, {"auth.password": SecretStr("changed")})
        await store.close()

    slow_key(tmp_path / "slow.key", keys.new.read_bytes(), lambda: None, lambda: asyncio.run(change()))
    report = await (await opened(tmp_path / "slow.key", keys.old)).rotation.rewrap()
    assert (report.rewrapped, report.left) == (1, ())
    assert await password(await opened(keys.new), "one") == "changed"


async def test_of_two_rotations_and_two_editors_at_once_each_change_wins_once(keys: Keys, opened: Opener) -> None:
    first = await put(await opened(keys.old), "one")
    stores = [await opened(keys.new, keys.old) for _ in range(2)]
    results = await asyncio.gather(
        *(store.rotation.rewrap() for store in stores),
        *(
            store.mailboxes.put(first.model_copy(update={"labels": {"n": str(n)}}), {})
            for n, store in enumerate(stores)
        ),
        return_exceptions=True,
    )
    assert [isinstance(one, Conflict) for one in results].count(True) == 1
    assert await password(await opened(keys.new), "one") == "hunter2"


async def test_a_sign_in_that_was_renewed_meanwhile_keeps_the_renewed_one(
    keys: Keys, opened: Opener, store_settings: StoreSettings, clock: FakeClock, tmp_path: Path
) -> None:
    await sign_in(await opened(keys.old), keys.old, "support", "first")

    async def renew() -> None:
        store = await Store.open(store_settings, clock=clock)
        sealed = Vault(Keyring.of(StoreSettings(key_file=keys.old))).seal(SecretStr("renewed"), "support")
        await store.collection("sign_ins").update({"_id": "support"}, changed({"sealed": sealed, "rev": 9}))
        await store.close()

    slow_key(tmp_path / "slow.key", keys.new.read_bytes(), lambda: None, lambda: asyncio.run(renew()))
    rotating = await opened(tmp_path / "slow.key", keys.old)
    assert (await rotating.rotation.rewrap()).left == ()
    (document,) = await rotating.collection("sign_ins").find({})
    alone = Vault(Keyring.of(StoreSettings(key_file=keys.new)))
    assert alone.open(document["sealed"], "support").get_secret_value() == "renewed"
    assert document["rev"] == 9


async def test_a_running_process_follows_its_mounted_key_files(
    keys: Keys, opened: Opener, store_settings: StoreSettings, tmp_path: Path
) -> None:
    """As with a mounted Secret: the file changes, the process stays."""
    mounted = tmp_path / "mounted.key"
    mounted.write_bytes(keys.old.read_bytes())
    running = await opened(mounted)
    await put(running, "one")
    await (await opened(keys.new, keys.old)).rotation.rewrap()
    mounted.write_bytes(keys.new.read_bytes())
    assert await password(running, "one") == "hunter2"
    await put(running, "two")
    assert await password(await opened(keys.new), "two") == "hunter2"


async def test_a_key_in_the_environment_serves_like_a_file(
    keys: Keys, opened: Opener, store_settings: StoreSettings, clock: FakeClock
) -> None:
    await put(await opened(keys.old), "one")
    by_text = {"key": SecretStr(keys.new.read_text()), "old_keys": SecretStr(keys.old.read_text())}
    store = await Store.open(store_settings.model_copy(update={"key_file": None, **by_text}), clock=clock)
    assert (await store.rotation.rewrap()).rewrapped == 1
    await store.close()
    assert await password(await opened(keys.new), "one") == "hunter2"


async def test_a_draft_that_somebody_is_writing_comes_along(keys: Keys, opened: Opener) -> None:
    """Else what was typed would be gone once the old key is."""
    before = await opened(keys.old)
    await before.drafts.put("ada", "one", {"password": "hunter2"})
    report = await (await opened(keys.new, keys.old)).rotation.rewrap()
    assert (report.rewrapped, report.left) == (1, ())
    after = await opened(keys.new)
    assert await after.drafts.get("ada", "one") == {"password": "hunter2"}
    (found,) = await after.rotation.look()
    assert (found.where, found.fate) == ("draft of mailbox and user one/ada", Fate.CURRENT)


async def test_a_draft_from_before_drafts_had_marks_comes_along(keys: Keys, opened: Opener) -> None:
    before = await opened(keys.old)
    await before.drafts.put("ada", "one", {"password": "hunter2"})
    await before.collection("drafts").update({"_id": "one/ada"}, {"$unset": {"mark": ""}})
    assert (await (await opened(keys.new, keys.old)).rotation.rewrap()).rewrapped == 1
    assert await (await opened(keys.new)).drafts.get("ada", "one") == {"password": "hunter2"}


async def test_what_is_typed_while_the_key_changes_is_not_undone(keys: Keys, opened: Opener) -> None:
    old, new = await opened(keys.old), await opened(keys.new, keys.old)
    await old.drafts.put("ada", "one", {"password": "hunter2"})
    seen = await old.collection("drafts").get("one/ada")
    await old.drafts.put("ada", "one", {"password": "hunter3"})
    assert seen is not None
    assert seen["mark"] != (await old.collection("drafts").get("one/ada") or {})["mark"]
    await new.rotation.rewrap()
    assert await new.drafts.get("ada", "one") == {"password": "hunter3"}
