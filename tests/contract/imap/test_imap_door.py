"""The IMAP door against a real Dovecot."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.all_in_one.demo.certificates import ensure_certificates
from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.errors import (
    AuthenticationRejected,
    CertificateRejected,
    EncryptionMissing,
    FolderMissing,
    NetworkTrouble,
)
from services.fetcher.imap.session import Opener, Patience
from shared.domain.errors import AutomatorError, ConfigurationError
from shared.domain.mailbox import Encryption, Imap
from tests.support.canary import secret
from tests.support.imap import PASSWORD, USER, imap_of, logged_in, mail

BOTH = pytest.mark.parametrize("encryption", list(Encryption))
opener = Opener(Patience(connect=10, command=10))


@BOTH
async def test_a_mail_is_fetched_byte_for_byte_with_its_internal_date(dovecot: Dovecot, encryption: Encryption) -> None:
    received = datetime(2026, 1, 5, 10, 0, 7, tzinfo=UTC)
    raw = mail(1, "5* hotel * urgent )))\r\n* 1 FETCH (UID 9)\r\n+ go on\r\n\x01\r\nUmlaut \u00fc\r\n")
    dovecot.deliver(USER, raw, received=received)
    async with logged_in(imap_of(dovecot, encryption)) as session:
        selected = await session.select("INBOX")
        uids = await session.search_all()
        fetched = await session.fetch(uids, 1000)
    assert selected.exists == 1
    assert selected.uid_validity > 0
    assert selected.uid_next == uids[0] + 1
    assert not selected.read_only
    assert [(one.raw, one.internal_date) for one in fetched] == [(raw, received)]


@BOTH
@pytest.mark.row(80)
async def test_a_certificate_of_another_authority_is_refused(
    dovecot: Dovecot, encryption: Encryption, tmp_path: Path
) -> None:
    other = ensure_certificates(tmp_path / "other", datetime.now(UTC)).ca_file
    with pytest.raises(CertificateRejected) as caught:
        await opener(imap_of(dovecot, encryption, ca_file=str(other)), USER, SecretStr(PASSWORD))
    assert "caFile" in caught.value.remedy


@pytest.mark.row(80)
async def test_a_certificate_for_another_name_is_refused(dovecot: Dovecot) -> None:
    """`127.1` is the same address, and a name that no certificate bears."""
    with pytest.raises(CertificateRejected):
        await opener(imap_of(dovecot, host="127.1"), USER, SecretStr(PASSWORD))


async def test_a_missing_ca_file_is_a_configuration_error(dovecot: Dovecot, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        await opener(imap_of(dovecot, ca_file=str(tmp_path / "none.pem")), USER, SecretStr(PASSWORD))


async def test_nothing_listening_is_network_trouble(dovecot: Dovecot) -> None:
    imap = imap_of(dovecot)
    await dovecot.stop()
    with pytest.raises(NetworkTrouble) as caught:
        await opener(imap, USER, SecretStr(PASSWORD))
    assert caught.value.code == "not_reachable"


async def test_implicit_tls_on_the_starttls_port_is_network_trouble_that_names_the_ports(dovecot: Dovecot) -> None:
    with pytest.raises(NetworkTrouble) as caught:
        await opener(imap_of(dovecot, port=dovecot.starttls_port), USER, SecretStr(PASSWORD))
    assert "993" in caught.value.remedy


@BOTH
async def test_a_wrong_password_is_authentication_rejected_and_not_told(
    dovecot: Dovecot, encryption: Encryption
) -> None:
    with pytest.raises(AuthenticationRejected) as caught:
        await opener(imap_of(dovecot, encryption), USER, SecretStr(secret("wrong")))
    assert secret("wrong") not in caught.value.line()
    assert caught.value.remedy


async def test_an_unknown_folder_is_missing_and_the_known_ones_are_named(dovecot: Dovecot) -> None:
    dovecot.maildir(USER, "Archive")
    async with logged_in(imap_of(dovecot)) as session:
        with pytest.raises(FolderMissing) as caught:
            await session.select("Nowhere")
        assert set(caught.value.folders) >= {"INBOX", "Archive"}
        assert (await session.select("INBOX")).exists == 0


async def test_capabilities_are_read_again_after_the_login(dovecot: Dovecot) -> None:
    async with logged_in(imap_of(dovecot)) as session:
        assert {"IDLE", "UIDPLUS", "MOVE"} <= session.capabilities


async def test_search_above_never_names_the_last_mail_again(dovecot: Dovecot) -> None:
    for number in range(3):
        dovecot.deliver(USER, mail(number))
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        assert await session.search_above(uids[-1]) == []
        assert await session.search_above(uids[-1] + 100) == []
        assert await session.search_above(uids[0]) == uids[1:]
        assert await session.present([uids[1], 999]) == {uids[1]}


async def test_a_backlog_of_200_mails_comes_whole_and_byte_identical(dovecot: Dovecot) -> None:
    sent = {mail(number, "x" * number * 50 + "\r\n") for number in range(200)}
    for raw in sent:
        dovecot.deliver(USER, raw)
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        sizes = {one.uid: one.size for one in await session.outlines(uids)}
        fetched = [one for at in range(0, 200, 50) for one in await session.fetch(uids[at : at + 50], 1_000_000)]
    assert [one.uid for one in fetched] == uids
    assert {one.raw for one in fetched} == sent
    assert {uid: len(raw) for uid, raw in ((one.uid, one.raw) for one in fetched)} == sizes


async def test_a_flood_of_lines_does_not_hang(dovecot: Dovecot) -> None:
    """aioimaplib's own reader recurses per line; three thousand FETCH lines in one answer go through ours."""
    for number in range(3000):
        dovecot.deliver(USER, mail(number))
    async with logged_in(imap_of(dovecot)) as session:
        assert (await session.select("INBOX")).exists == 3000
        async with asyncio.timeout(20):
            answer = await session._wire.run("FETCH", "1:*", "(UID FLAGS)", uid=True)
    assert len(answer.untagged) >= 3000


async def test_an_uid_that_is_gone_is_missing_from_the_answer(dovecot: Dovecot) -> None:
    dovecot.deliver(USER, mail(1))
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        (uid,) = await session.search_all()
        assert [one.uid for one in await session.fetch([uid, uid + 7], 1000)] == [uid]
        assert await session.fetch([uid + 7], 1000) == []


@pytest.mark.row(79)
async def test_a_mail_that_is_moved_away_while_it_is_fetched_is_no_empty_mail(dovecot: Dovecot) -> None:
    raws = [mail(n) for n in range(4)]
    for raw in raws:
        dovecot.deliver(USER, raw)
    dovecot.deliver(USER, b"")
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        await session.fetch(uids[:1], 1000)
        folder = dovecot.maildir(USER)
        for file in [*folder.glob("new/*"), *folder.glob("cur/*")]:
            if file.read_bytes() in raws[1:3]:
                file.unlink()
        fetched = await session.fetch(uids, 1000)
    assert sorted(one.raw for one in fetched) == [b"", *sorted((raws[0], raws[3]))]


async def test_the_start_of_a_large_mail_can_be_taken_alone(dovecot: Dovecot) -> None:
    raw = mail(1, "x" * 100_000)
    dovecot.deliver(USER, raw)
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        start = await session.fetch_start((await session.search_all())[0], 1000)
    assert start is not None
    assert (start.raw, start.partial, start.size) == (raw[:1000], True, len(raw))


async def test_idle_tells_of_a_new_mail_and_ends_quietly_without_one(dovecot: Dovecot) -> None:
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        assert await session.search_all() == []
        assert await session.idle(0.2) is False
        waiting = asyncio.create_task(session.idle(30))
        await asyncio.sleep(0.3)
        dovecot.deliver(USER, mail(1))
        async with asyncio.timeout(10):
            assert await waiting is True
        assert len(await session.search_all()) == 1


async def test_a_server_killed_during_idle_is_noticed_at_once(dovecot: Dovecot) -> None:
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        await session.search_all()
        waiting = asyncio.create_task(session.idle(600))
        await asyncio.sleep(0.3)
        await dovecot.kill()
        async with asyncio.timeout(30):
            with pytest.raises(NetworkTrouble):
                await waiting
        with pytest.raises(NetworkTrouble):
            await session.noop()


async def test_a_cancelled_command_drops_the_connection(dovecot: Dovecot) -> None:
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        await session.search_all()
        waiting = asyncio.create_task(session.idle(600))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(NetworkTrouble):
            await session.search_all()


async def test_mails_are_flagged_moved_and_deleted_one_by_one(dovecot: Dovecot) -> None:
    for number in range(4):
        dovecot.deliver(USER, mail(number))
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        before = await session.marks(uids)
        assert {mark.message_id for mark in before.values()} == {f"<{number}@people.example>" for number in range(4)}
        await session.mark_seen(uids[:1])
        await session.flag(uids[1:2])
        await session.delete(uids[2:3])
        await session.move(uids[3:], "Entwürfe & Co")
        assert await session.search_unmarked("seen") == uids[1:2]
        assert await session.search_unmarked("flagged") == uids[:1]
        assert await session.search_all() == uids[:2]
        assert await session.marks(uids) == {uid: before[uid] for uid in uids[:2]}
        assert (await session.select("Entwürfe & Co")).exists == 1


async def test_fetching_leaves_no_mark_on_the_server(dovecot: Dovecot) -> None:
    dovecot.deliver(USER, mail(1))
    async with logged_in(imap_of(dovecot)) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        await session.fetch(uids, 1000)
        assert await session.search_unmarked("seen") == uids


Script = list[tuple[bytes, bytes]]


async def _scripted(greeting: bytes, script: Script) -> asyncio.Server:
    """A clear-text server: says the greeting, and to a line with a word answers with its text (`TAG` replaced)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            for word, answer in script:
                if word in line:
                    writer.write(answer.replace(b"TAG", line.split()[0]))
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("greeting", "answer", "kind"),
    [
        (b"* OK hi\r\n", b"TAG BAD unknown command\r\n", EncryptionMissing),
        (b"* OK hi\r\n", b"TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", EncryptionMissing),
        (b"* PREAUTH welcome\r\n", b"", EncryptionMissing),
        (b"* BYE too many connections\r\n", b"", AutomatorError),
        (b"HTTP/1.0 400 what\r\n", b"", NetworkTrouble),
        (b"* OK hi\r\n", b"* BYE no\r\n", NetworkTrouble),
    ],
)
@pytest.mark.row(80)
async def test_starttls_never_goes_on_in_clear_text(greeting: bytes, answer: bytes, kind: type[AutomatorError]) -> None:
    server = await _scripted(greeting, [(b"STARTTLS", answer)])
    async with server:
        port = server.sockets[0].getsockname()[1]
        imap = Imap(host="localhost", port=port, encryption=Encryption.STARTTLS)
        with pytest.raises(kind):
            await opener(imap, USER, SecretStr(PASSWORD))
