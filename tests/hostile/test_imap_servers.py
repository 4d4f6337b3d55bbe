"""Hostile inputs, rows 75 to 79 and 81: mail servers that lie, flood and stall. The real door, the real store."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher import decide
from services.fetcher.errors import FolderMissing, NetworkTrouble, ProtocolBroken
from services.fetcher.imap import parse
from services.fetcher.imap.framing import MAX_LINE, Response
from services.fetcher.imap.parse import LAST_UID
from services.fetcher.imap.session import Opener, Patience
from services.fetcher.imap.wire import MANY_CHALLENGES
from services.fetcher.report import IMPOSSIBLE_UIDS
from services.fetcher.troubles import MAX_TRIES
from shared.domain.decision import Kind, Reason
from shared.domain.mailbox import Imap, Mailbox, StartFrom
from shared.domain.mailbox_runtime import Phase
from shared.sasl.values import Kind as Secret
from shared.store.client import Store
from tests.contract.imap.test_following_mailboxes import has, is_in
from tests.contract.imap.test_servers_that_misbehave import mailbox_of, read, read_on
from tests.support.cost import within
from tests.support.dovecot import USERS
from tests.support.fetching import NAME, Published, eventually, following, open_folder, support_mailbox, tools
from tests.support.imap import PASSWORD, USER, imap_of, logged_in, mail
from tests.support.scripted_imap import ScriptedImap

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
DAY = timedelta(days=1)
PIECE = 64 * 1024
SLACK = 16 * 1024 * 1024
"""What lies in the buffers of sockets and TLS when a connection is dropped."""


def endless(piece: bytes) -> Callable[[], Iterator[bytes]]:
    """The same again and again."""
    return lambda: itertools.repeat(piece * (PIECE // len(piece)))


def after(start: bytes, piece: bytes) -> Callable[[], Iterator[bytes]]:
    """A start, and then the same again and again."""
    return lambda: itertools.chain([start], endless(piece)())


FLOODS = {
    "a literal of 4 GiB": after(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\n", b"x"),
    "a literal of more digits": after(b"* 1 FETCH (UID 1 BODY[] {9999999999999}\r\n", b"x"),
    "a literal of more digits than any": after(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n", b"x\r\n"),
    "a line without end": endless(b"* SEARCH 1 2 3 4 5 6 7 8 9 "),
    "lines without end": endless(b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"),
    "short lines without end": endless(b"* \r\n"),
    "literals without end in one response": after(b"* 1 FETCH (", b"X {100}\r\n" + b"y" * 100),
    "to go on without end": endless(b"+ go on\r\n"),
    "nothing without end": endless(b"\r\n"),
    "binary": endless(bytes(range(256))),
}


async def whole_session(imap: Imap) -> None:
    """All that a fetcher asks, patiently."""
    session = await Opener(Patience(connect=100, command=100))(imap, USER, SecretStr(PASSWORD))
    try:
        await session.select("INBOX")
        await session.fetch(await session.search_all(), 100)
    finally:
        await session.close()


@pytest.mark.parametrize(
    ("command", "flood"),
    [
        *itertools.product(["UID FETCH"], FLOODS),
        *itertools.product(["CAPABILITY", "SELECT", "UID SEARCH"], ["a literal of 4 GiB", "short lines without end"]),
    ],
)
async def test_row_75_a_server_that_never_stops_talking_is_cut_off(tmp_path: Path, command: str, flood: str) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.add(1, mail(1), AT)
        server.floods[command] = FLOODS[flood]()
        with pytest.raises(ProtocolBroken) as caught:
            await whole_session(server.imap)
    assert server.flooded <= MAX_LINE + SLACK
    assert caught.value.code == "protocol_error"


async def test_row_75_a_byte_now_and_then_does_not_keep_a_command_alive(tmp_path: Path) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.drips.add("UID SEARCH")
        session = await Opener(Patience(connect=10, command=1))(server.imap, USER, SecretStr(PASSWORD))
        await session.select("INBOX")
        with pytest.raises(NetworkTrouble) as caught:
            await session.search_all()
        assert caught.value.code == "deadline_passed"
        await session.close()


async def test_row_75_a_mail_that_is_larger_than_its_server_says_takes_no_more_memory(
    tmp_path: Path, store: Store
) -> None:
    """RFC822.SIZE says 60, and 40 MiB come; it has its tries and is booked, and the next mail is taken."""
    async with _Understating(tmp_path) as server:
        server.add(1, mail(1) + b"x" * 40 * 1024 * 1024, AT)
        server.add(2, mail(2), AT + DAY)
        published = Published()
        await read_on(store, server, published)
    assert [one.raw for one in published.messages] == [mail(2)]
    (entry,) = [one for one in await store.ledger.recent(NAME, 10) if one.decision is not None]
    assert entry.decision is not None
    assert (entry.decision.kind, entry.decision.reason) == (Kind.REJECTED, Reason.UNFETCHABLE)


class _Understating(ScriptedImap):
    def _tell(self, uid: int, wanted: str, writer: asyncio.StreamWriter) -> None:
        body = self.mails[uid].raw
        date = '"05-Jan-2026 10:00:00 +0000"'
        writer.write(f"* {uid} FETCH (UID {uid} INTERNALDATE {date} RFC822.SIZE {min(60, len(body))}".encode())
        if "BODY.PEEK[]" in wanted:
            writer.write(f" BODY[] {{{len(body)}}}\r\n".encode() + body)
        elif "BODY.PEEK[" in wanted:
            writer.write(f" BODY[HEADER] {{{len(self.mails[uid].head)}}}\r\n".encode() + self.mails[uid].head)
        writer.write(b")\r\n")


async def test_row_75_a_server_that_breaks_the_protocol_is_set_aside_and_others_go_on(
    tmp_path: Path, store: Store, dovecot: Dovecot
) -> None:
    published = Published()
    other = "requests@desk.example"
    async with ScriptedImap(tmp_path) as server:
        server.floods["UID SEARCH"] = endless(b"* SEARCH {9999999999999}\r\n")()
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        broken = mailbox_of(server).model_dump(mode="json")
        broken["spec"]["auth"]["password_from"] = {"file": str(secret)}
        await store.mailboxes.put(Mailbox.model_validate(broken), {})
        await store.mailboxes.put(support_mailbox(dovecot, "other", other, USERS[other]), {})
        async with following(store, tools(store, published)):
            await eventually(is_in(store, Phase.NEEDS_ATTENTION), 60)
            dovecot.deliver(other, mail(1))
            await eventually(has(published, 1))
    status = (await store.runtime.statuses())[NAME]
    assert status.code == "server_broken"
    assert f"{decide.BREAKS} connections in a row" in status.sentence
    assert server.commands.count("LOGOUT") == 0


@pytest.mark.parametrize("read_it", [parse.fetches, parse.search, parse.codes, parse.folders, parse.exists])
@pytest.mark.parametrize(
    "line",
    [
        b"* 1 FETCH (UID 1 " + b"BODY[" * 800_000,
        b"* 1 FETCH (UID 1 BODY[] " + b'"\\' * 1_000_000,
        b"* 1 FETCH (UID 1 " + b"BODY[] " * 800_000,
        b"* 1 FETCH (UID " + b"9" * 4_000_000 + b" BODY[] NIL)",
        b"* SEARCH " + b"9" * 4_000_000,
        b"* SEARCH " + b"7 " * 2_000_000,
        b"* LIST (" + b"\\x" * 1_000_000 + b'"' * 1_000_000,
        b"* OK [" + b"UIDNEXT " * 800_000,
    ],
    ids=lambda one: one[:20].decode() if isinstance(one, bytes) else one.__name__,
)
def test_row_75_a_line_of_megabytes_costs_no_more_than_its_length(
    line: bytes, read_it: Callable[[list[Response]], object]
) -> None:
    """Other mailboxes share the process: what is done with a line, is done while they wait."""
    within(1800, lambda: read_it([[line]]))


async def test_row_76_uids_that_cannot_be_are_told_and_all_others_are_taken(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.uid_order = lambda uids: [0, *uids, LAST_UID + 1, 10**30, "07x"]  # type: ignore[assignment,return-value,list-item]
        server.add(1, mail(1), AT)
        server.add(LAST_UID, mail(2), AT + DAY)
        published = Published()
        folder = await read(store, server, published)
        assert {one.raw for one in published.messages} == {mail(1), mail(2)}
        assert folder.cursor.low_water == LAST_UID
        async with logged_in(server.imap, USER, PASSWORD) as session:
            await session.select("INBOX")
            await session.search_all()
            assert session.impossible == 3
            assert await session.search_above(LAST_UID) == []
        server.add(7, mail(3), datetime.now(UTC))
        await read(store, server, published)
        assert len(published.messages) == 3


async def test_row_76_a_mailbox_with_impossible_uids_needs_attention(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.uid_order = lambda uids: [0, *uids]  # type: ignore[assignment,return-value]
        server.add(1, mail(1), AT)
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        lying = mailbox_of(server).model_dump(mode="json")
        lying["spec"]["auth"]["password_from"] = {"file": str(secret)}
        await store.mailboxes.put(Mailbox.model_validate(lying), {})
        published = Published()
        async with following(store, tools(store, published)):
            await eventually(is_in(store, Phase.NEEDS_ATTENTION))
        assert (await store.runtime.statuses())[NAME].code == IMPOSSIBLE_UIDS
        assert len(published.messages) == 1


async def test_row_76_a_uidvalidity_that_changes_each_time_doubles_and_loses_nothing(
    tmp_path: Path, store: Store
) -> None:
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 11):
            server.add(number, mail(number), AT + number * DAY)
        published = Published()
        for validity in (7, 8, LAST_UID, 3, None, 9, 0, LAST_UID + 7, 10**40):
            server.uid_validity = validity
            server.add(20 + len(published.messages), mail(20 + len(published.messages)), datetime.now(UTC))
            await read(store, server, published)
    assert len(published.messages) == len(set(published.mail_ids)) == 19
    assert server.served.total() == 19, "known mails are known by their headers, and not downloaded again"


@pytest.mark.parametrize("uid_next", [1, 3, 2**31, LAST_UID, LAST_UID + 1, 10**40])
async def test_row_76_whatever_uidnext_says_mail_that_comes_later_is_taken(
    tmp_path: Path, store: Store, uid_next: int
) -> None:
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 4):
            server.add(number, mail(number), AT + number * DAY)
        server.uid_next = uid_next
        mailbox = mailbox_of(server)
        imap = mailbox.spec.imap.model_copy(update={"start_from": StartFrom.NOW})
        mailbox = mailbox.model_copy(update={"spec": mailbox.spec.model_copy(update={"imap": imap})})
        published = Published()
        for _ in range(2):
            async with logged_in(server.imap, USER, PASSWORD) as session:
                folder = await open_folder(session, store, mailbox, published)
                await folder.read(session, full=True)
            server.add(4, mail(4), datetime.now(UTC) + DAY)
    assert [one.raw for one in published.messages] == [mail(4)]


class _Odd(ScriptedImap):
    """Tells mails as `tell` says: from the UID and the usual pieces of a FETCH response to lines."""

    def __init__(self, folder: Path, tell: Callable[[int, str, bytes], bytes]) -> None:
        super().__init__(folder)
        self.tell = tell
        self.asked: Counter[str] = Counter()

    def _tell(self, uid: int, wanted: str, writer: asyncio.StreamWriter) -> None:
        raw = self.mails[uid].raw
        head = f'UID {uid} INTERNALDATE "05-Jan-2026 10:00:00 +0000" RFC822.SIZE {len(raw)}'
        if "BODY.PEEK[]" in wanted:
            writer.write(self.tell(uid, head, raw))
        elif "BODY.PEEK[" in wanted:
            writer.write(f"* {uid} FETCH ({head} BODY[HEADER] {{{len(self.mails[uid].head)}}}\r\n".encode())
            writer.write(self.mails[uid].head + b")\r\n")
        else:
            writer.write(f"* {uid} FETCH ({head})\r\n".encode())


def _literal(raw: bytes) -> bytes:
    return f"BODY[] {{{len(raw)}}}\r\n".encode() + raw


ODD_ANSWERS: dict[str, Callable[[int, str, bytes], bytes]] = {
    "in two responses": lambda uid, head, raw: (
        f"* {uid} FETCH ({head})\r\n* {uid} FETCH (UID {uid} ".encode() + _literal(raw) + b")\r\n"
    ),
    "in two responses, body first": lambda uid, head, raw: (
        f"* {uid} FETCH (UID {uid} ".encode() + _literal(raw) + f")\r\n* {uid} FETCH ({head})\r\n".encode()
    ),
    "in another order": lambda uid, head, raw: b"* 1 FETCH (" + _literal(raw) + f" {head})\r\n".encode(),
    "with another one's number": lambda uid, head, raw: (
        f"* {99 - uid} FETCH ({head} ".encode() + _literal(raw) + b")\r\n"
    ),
    "with others that nobody asked for": lambda uid, head, raw: (
        b'* 9 FETCH (UID 999 INTERNALDATE "05-Jan-2026 10:00:00 +0000" RFC822.SIZE 5 BODY[] {5}\r\nother)\r\n'
        + f"* {uid} FETCH (FLAGS (\\Seen))\r\n* {uid} FETCH ({head} ".encode()
        + _literal(raw)
        + f" FLAGS ())\r\n* {uid} FETCH (UID {uid} FLAGS (\\Seen))\r\n* 9 EXPUNGE\r\n".encode()
    ),
    "as a literal8": lambda uid, head, raw: (
        f"* {uid} FETCH ({head} BODY[] ~{{{len(raw)}}}\r\n".encode() + raw + b")\r\n"
    ),
}


@pytest.mark.parametrize("how", ODD_ANSWERS)
async def test_row_77_mails_are_matched_by_uid_however_they_are_told(tmp_path: Path, store: Store, how: str) -> None:
    async with _Odd(tmp_path, ODD_ANSWERS[how]) as server:
        for number in (1, 2, 3):
            server.add(number, mail(number), AT)
        published = Published()
        await read(store, server, published)
    assert sorted(one.raw or b"" for one in published.messages) == [mail(1), mail(2), mail(3)]


@pytest.mark.parametrize("body", [b"NIL", b'""', b"{0}\r\n"])
async def test_row_77_a_mail_without_its_body_is_no_empty_mail(tmp_path: Path, store: Store, body: bytes) -> None:
    """It is asked for again, then booked as one that the server does not give; one that is empty is taken as such."""

    def tell(uid: int, head: str, raw: bytes) -> bytes:
        return f"* {uid} FETCH ({head} BODY[] ".encode() + (body if uid == 2 else _literal(raw)[7:]) + b")\r\n"

    async with _Odd(tmp_path, tell) as server:
        for number in (1, 2, 3):
            server.add(number, mail(number), AT)
        server.add(4, b"", AT)
        published = Published()
        folder = await read_on(store, server, published, MAX_TRIES + 2)
    assert sorted(one.raw or b"" for one in published.messages) == [b"", mail(1), mail(3)]
    assert folder.cursor.low_water == 4
    (entry,) = [one for one in await store.ledger.recent(NAME, 10) if one.decision is not None]
    assert entry.headline.message_id == "<2@people.example>"


async def test_row_77_of_a_mail_that_comes_under_another_uid_nothing_is_taken(tmp_path: Path, store: Store) -> None:
    def tell(uid: int, head: str, raw: bytes) -> bytes:
        return f"* {uid} FETCH ({head.replace('UID ', 'UID 8')} ".encode() + _literal(raw) + b")\r\n"

    async with _Odd(tmp_path, tell) as server:
        server.add(1, mail(1), AT)
        published = Published()
        await read_on(store, server, published, MAX_TRIES + 2)
    assert published.messages == []
    (entry,) = await store.ledger.recent(NAME, 10)
    assert entry.decision is not None
    assert entry.decision.reason is Reason.UNFETCHABLE


NAMES = ('a "quoted" name', "back\\slash", "Entwürfe & mehr", "&Jjo", "&AOT-&-", "日本語", "100%", "(x) {5}", "*")


@pytest.mark.parametrize("name", NAMES)
async def test_row_78_a_folder_of_any_name_is_opened_and_no_other(dovecot: Dovecot, store: Store, name: str) -> None:
    async with logged_in(imap_of(dovecot)) as session:
        dovecot.deliver(USER, mail(1))
        await session.select("INBOX")
        await session.move([(await session.search_all())[0]], name)
    published = Published()
    async with logged_in(imap_of(dovecot)) as session:
        folder = await open_folder(session, store, support_mailbox(dovecot, folder=name), published)
        await folder.read(session, full=True)
        with pytest.raises(FolderMissing) as caught:
            await session.select(name + " nowhere")
    assert [one.raw for one in published.messages] == [mail(1)]
    assert name in caught.value.folders


@pytest.mark.parametrize("name", ["a\r\nA1 LOGOUT", "a\nb", "a\x00b", "a\x7fb"])
def test_row_78_a_folder_with_control_characters_is_refused_before_it_is_sent(name: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        Imap.model_validate({"host": "mail.example.org", "folder": name})


async def test_row_78_five_thousand_folders_of_odd_names_make_a_short_error(tmp_path: Path) -> None:
    separators = itertools.cycle(('"/"', '"."', "NIL", '"\\\\"'))
    names = [f'"{number:04}&AOT &&&- \\"{"x" * 500}"' for number in range(5_000)]
    async with ScriptedImap(tmp_path) as server:
        server.no_to["SELECT"] = "[NONEXISTENT] no such folder"
        lines = [f"* LIST () {one} {name}" for one, name in zip(separators, names, strict=False)]
        server.listed = [*lines, '* LIST () "/" "' + "y" * 100_000 + '"']
        async with logged_in(server.imap) as session:
            with pytest.raises(FolderMissing) as caught:
                await session.select("Nowhere")
    assert len(caught.value.folders) == 5_000
    assert len(caught.value.line()) < 5_000


async def test_row_78_a_folder_that_is_renamed_while_it_is_read_needs_attention(dovecot: Dovecot, store: Store) -> None:
    source = dovecot.maildir(USER, "Desk")
    published = Published()
    await store.mailboxes.put(support_mailbox(dovecot, folder="Desk", poll_seconds=10), {})
    async with following(store, tools(store, published)):
        await eventually(is_in(store, Phase.IDLE))
        source.rename(source.with_name(".Elsewhere"))
        await store.wishes.ask_reading(NAME, "test", datetime.now(UTC))
        await eventually(is_in(store, Phase.NEEDS_ATTENTION), 60)
    status = (await store.runtime.statuses())[NAME]
    assert status.code == "folder_missing"
    assert "Elsewhere" in status.sentence


async def test_row_79_what_a_person_has_read_flagged_or_marked_as_deleted_is_taken_all_the_same(
    dovecot: Dovecot, store: Store
) -> None:
    for number in (1, 2, 3):
        dovecot.deliver(USER, mail(number))
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        one, two, three = await session.search_all()
        await session.mark_seen([one, two, three])
        await session.flag([two])
    published = Published()
    async with logged_in(imap_of(dovecot)) as session:
        folder = await open_folder(session, store, support_mailbox(dovecot), published)
        await folder.read(session, full=True)
    assert len(published.messages) == 3


async def test_row_81_a_challenge_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    async with ScriptedImap(tmp_path, "IMAP4rev1 AUTH=XOAUTH2 SASL-IR") as server:
        server.floods["AUTHENTICATE"] = endless(b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")()
        with pytest.raises(ProtocolBroken) as caught:
            await Opener(Patience(connect=10, command=10))(server.imap, USER, SecretStr("token"), kind=Secret.TOKEN)
    assert f"more than {MANY_CHALLENGES} challenges" in caught.value.what
