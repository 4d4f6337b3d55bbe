"""A stored secret is used for the server and user it was given for, and for no other."""

import pytest

from services.console.probe.credentials import MailboxCredentials
from shared.domain.mailbox import MailboxSpec
from tests.contract.probe.conftest import PASSWORD, USER, imap_at, mailbox_at
from tests.support.bad_certificates import make
from tests.support.smtp import server_context, smtp_server


@pytest.fixture
async def smtp(tmp_path):
    files = make(tmp_path / "smtp")
    context = server_context(files.certificate, files.key)
    async with (
        smtp_server(context, USER, PASSWORD, implicit=True) as one,
        smtp_server(context, USER, PASSWORD, implicit=True) as other,
    ):
        yield [{"host": "localhost", "port": port, "ca_file": str(files.ca_file)} for port in (one, other)]


def changed(mailbox, part, **given):
    spec = mailbox.spec.model_dump(by_alias=False)
    spec[part] |= given
    return mailbox.model_copy(update={"spec": MailboxSpec.model_validate(spec)})


async def test_a_stored_mailbox_is_tested_with_its_stored_secret(store, dovecot, smtp, check):
    stored = await store.mailboxes.put(mailbox_at(imap_at(dovecot), smtp[0]), {})
    results = await check(stored, credentials=MailboxCredentials(store.secrets.reveal))
    assert {one.outcome.value for one in results} == {"ok"}


@pytest.mark.parametrize(
    ("part", "given"),
    [
        ("imap", {"host": "127.0.0.1"}),
        ("imap", {"port": 0, "encryption": "starttls"}),
        ("auth", {"username": "boss@desk.example"}),
    ],
)
@pytest.mark.row(83)
async def test_with_another_host_port_encryption_or_user_it_must_be_typed_again(
    store, dovecot, smtp, check, part, given
):
    if "port" in given:
        given = {**given, "port": dovecot.starttls_port}
    stored = await store.mailboxes.put(mailbox_at(imap_at(dovecot), smtp[0]), {})
    results = await check(changed(stored, part, **given), credentials=MailboxCredentials(store.secrets.reveal))
    assert results.why("imap")[0] == "authenticate"
    assert "password" in results.failed("imap").sentence
    assert "again" in results.failed("imap").remedy
    assert "Login" not in dovecot.log_file.read_text(), "nothing was sent"


@pytest.mark.parametrize("what", ["port", "user"])
@pytest.mark.row(83)
async def test_with_another_smtp_server_or_user_alone_it_is_sent_to_nobody(store, dovecot, smtp, check, what):
    given = {"port": smtp[1]["port"]} if what == "port" else {"username": "boss@desk.example"}
    stored = await store.mailboxes.put(mailbox_at(imap_at(dovecot), smtp[0]), {})
    edited = changed(stored, "smtp", **given)
    results = await check(edited, credentials=MailboxCredentials(store.secrets.reveal))
    assert results.why("imap") == ("authenticate", "IMAP_SECRET_BOUND_ELSEWHERE")
    assert results.why("smtp") == ("authenticate", "SMTP_SECRET_BOUND_ELSEWHERE")
    for chain in ("imap", "smtp"):
        assert results.failed(chain).sentence.startswith(f"The SMTP server ({what}) changed")
        assert results.failed(chain).remedy == "Give the password again"
    assert "Login" not in dovecot.log_file.read_text(), "nothing was sent"


async def test_a_changed_smtp_server_with_a_password_of_its_own_leaves_imap_alone(store, dovecot, smtp, check):
    out = {**smtp[0], "username": USER, "password": PASSWORD}
    stored = await store.mailboxes.put(mailbox_at(imap_at(dovecot), out), {})
    results = await check(
        changed(stored, "smtp", port=smtp[1]["port"]), credentials=MailboxCredentials(store.secrets.reveal)
    )
    assert results.names("imap")[-1] == "folder"
    assert results.why("smtp") == ("authenticate", "SMTP_SECRET_BOUND_ELSEWHERE")
