"""Messages keep their form: golden files of every version, and refusals of everything else."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifier.event import created
from shared.contracts.codec import Envelope, decode, encode
from shared.contracts.events import EVENTS, TICKET_CREATED, envelope, mail_quarantined, mail_rejected
from shared.contracts.examples import examples as event_examples
from shared.contracts.messages import MESSAGES, EmailFetched, Message
from shared.domain.errors import MalformedMessage
from shared.domain.ledger import Failure
from tests.support import builders

GOLDEN = Path(__file__).parents[2] / "contract" / "golden"


def examples() -> dict[str, Message]:
    fetched = EmailFetched(
        mail_id="m1", mailbox="support", received_at=builders.AT, fetched_at=builders.AT, size=5, raw=b"a: b\r\n"
    )
    return {
        "email.fetched.v1": fetched,
        "email.accepted.v1": builders.accepted(duplicate_of="m0"),
        "email.classified.v1": builders.classified(email=builders.email(attachments=(builders.attachment(),))),
    }


def test_every_message_has_a_golden_example() -> None:
    """A new message needs its golden file."""
    assert set(examples()) == {f"{one.TYPE}.v{one.VERSION}" for one in MESSAGES}


@pytest.mark.parametrize("name", sorted(examples()))
def test_todays_writer_writes_the_golden_form(name: str) -> None:
    """Rewrite the file only together with a new version (`python -m tests.unit.contracts.test_codec`)."""
    wire = encode(examples()[name])
    assert plain(wire) == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(examples()))
def test_todays_reader_reads_the_golden_form(name: str) -> None:
    """What lies on a queue from before the upgrade is understood."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    body = golden["body"] if isinstance(golden["body"], str) else json.dumps(golden["body"])
    message = decode(Envelope(**{**golden, "body": body.encode()}))
    assert message == examples()[name]


@pytest.mark.parametrize("name", sorted(examples().keys() - {"email.fetched.v1"}))
def test_a_field_of_a_newer_writer_is_ignored_at_the_top_and_within(name: str) -> None:
    """While two versions work side by side, the older one reads what the newer one sends."""
    wire = encode(examples()[name])
    newer = of_tomorrow(json.loads(wire.body))
    assert decode(replace(wire, body=json.dumps(newer).encode())) == examples()[name]


def test_the_notifier_ignores_what_a_newer_writer_adds_to_an_event() -> None:
    """At the top, in its data, and within that."""
    wire = envelope(event_examples()[TICKET_CREATED])
    newer = of_tomorrow(json.loads(wire.body))
    assert created(replace(wire, body=json.dumps(newer).encode())) == created(wire)


def of_tomorrow(value: Any) -> Any:
    """The same with a field more in every object."""
    if isinstance(value, list):
        return [of_tomorrow(one) for one in value]
    if isinstance(value, dict):
        return {**{key: of_tomorrow(one) for key, one in value.items()}, "of_tomorrow": {"any": 1}}
    return value


def test_a_mail_by_reference_carries_no_body() -> None:
    """Large mail travels as a reference to the raw store."""
    message = EmailFetched(mail_id="m", mailbox="b", received_at=builders.AT, fetched_at=builders.AT, size=9_000_000)
    wire = encode(message)
    assert wire.body == b""
    assert decode(wire) == message


def test_an_imported_mail_says_so_to_every_stage() -> None:
    fetched = examples()["email.fetched.v1"].model_copy(update={"imported": True})
    for message in (fetched, builders.accepted(imported=True), builders.classified(imported=True)):
        assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"type": "email.accepted.v99"}, "not known"),
        ({"type": ""}, "not known"),
        ({"body": b"{"}, "contract"),
        ({"body": b"[]"}, "contract"),
        ({"body": b"\xff\xfe"}, "contract"),
        ({"type": "email.fetched.v1", "headers": {}}, "contract"),
        ({"type": "email.fetched.v1", "headers": {"mail_id": "m", "mailbox": "b", "received_at": "soon"}}, "contract"),
    ],
)
@pytest.mark.row(84)
def test_what_is_not_of_the_contract_is_refused(change: dict[str, object], what: str) -> None:
    """A malformed message is a permanent error that names no content."""
    wire = encode(builders.accepted())
    fields = {name: getattr(wire, name) for name in ("body", "content_type", "type", "message_id", "headers")}
    with pytest.raises(MalformedMessage, match=what):
        decode(Envelope(**{**fields, **change}))  # type: ignore[arg-type]


def test_an_older_reader_ignores_the_fields_of_a_newer_writer() -> None:
    """An optional field at the end is a compatible change."""
    wire = encode(builders.accepted())
    newer = json.loads(wire.body) | {"invented_later": 1}
    body = json.dumps(newer).encode()
    assert decode(Envelope(body, wire.content_type, wire.type, wire.message_id, wire.headers)) == builders.accepted()


@pytest.mark.parametrize("name", EVENTS)
def test_events_keep_their_golden_form(name: str) -> None:
    """Subscribers rely on it."""
    event = event_examples()[name]
    golden = json.loads((GOLDEN / f"{name.removeprefix('io.mail-automator.')}.json").read_text())
    assert {"routing_key": event.routing_key, **plain(envelope(event))} == golden


def test_the_same_mail_always_owes_the_same_event_id() -> None:
    """Deduplication rests on it, whatever the time of the decision."""
    later = builders.decision(decided_at=builders.AT + timedelta(hours=1))
    first = mail_rejected("m2", "support", None, builders.AT, builders.decision())
    assert mail_rejected("m2", "support", None, builders.AT, later).event_id == first.event_id
    assert mail_rejected("m3", "support", None, builders.AT, later).event_id != first.event_id


def test_a_replay_that_fails_again_is_a_new_event() -> None:
    """And the same quarantine, told twice, is one."""
    first = Failure(stage="filter", code="x", what="x", at=builders.AT)
    again = first.model_copy(update={"at": builders.AT + timedelta(hours=1)})
    entry = builders.entry("m5")
    assert mail_quarantined(entry, first).event_id == mail_quarantined(entry, first).event_id
    assert mail_quarantined(entry, again).event_id != mail_quarantined(entry, first).event_id


def plain(wire: Envelope) -> dict[str, object]:
    text = wire.body.decode()
    return {
        "body": json.loads(text) if text.startswith("{") else text,
        "content_type": wire.content_type,
        "type": wire.type,
        "message_id": wire.message_id,
        "headers": dict(wire.headers),
    }


if __name__ == "__main__":
    for key, example in examples().items():
        (GOLDEN / f"{key}.json").write_text(json.dumps(plain(encode(example)), indent=2) + "\n")
    for key, owed in event_examples().items():
        form = {"routing_key": owed.routing_key, **plain(envelope(owed))}
        (GOLDEN / f"{key.removeprefix('io.mail-automator.')}.json").write_text(json.dumps(form, indent=2) + "\n")
