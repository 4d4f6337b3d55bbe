"""`simulate`: every rule, in order, on a mail that is not delivered. Changes nothing."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.console.cli import corpus
from services.console.cli.configuration import load
from services.console.cli.exits import Exit, NotFound
from services.console.cli.mailbox import find
from services.console.cli.output import Printer
from services.console.cli.session import Session, session_of
from services.console.configuration.problems import suggest
from services.console.corpus import Try
from services.console.repeats import original_of
from services.console.rules import Rules, saved, tried
from services.console.trial import Letter, Trial, attempt, read
from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, split_secrets
from shared.store.client import Store

MAX_BYTES = 64 * 1024 * 1024


def simulate(
    context: typer.Context,
    mail: Annotated[
        str | None, typer.Argument(metavar="MAIL", help="A raw mail (.eml), or - for standard input.")
    ] = None,
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", "-m", metavar="NAME", help="As if delivered to this mailbox.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option("--corpus", metavar="DIR", help="Instead of one mail: every file of a folder, mboxes too."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="Take mailboxes and catalogue from YAML; needs no store."),
    ] = None,
) -> int:
    """Show what would become of a mail: every rule with its verdict, its place in the catalogue, its end.

    With --corpus: of every mail of a folder, with its time and memory, the worst first; exit 0 only if each has an end.
    """
    session = session_of(context)
    if folder is not None:
        if mail is not None:
            raise typer.BadParameter("give a mail or --corpus, not both")
        return corpus.run(session.printer, folder, _trying(session, mailbox, file))
    if mail is None or mailbox is None:
        raise typer.BadParameter("give a mail and --mailbox, or --corpus")
    email = read(read_raw(mail))
    if file:
        trial = _by_documents(file, mailbox)(email)
    else:

        async def work(store: Store) -> Trial:
            box, rules = await find(store, mailbox), await saved(store)
            original = await original_of(store, box, email, rules.marks)
            return await tried(store, rules, Letter(email, box, repeats=original))

        trial = session.run(work)
    _print(session.printer, mailbox, trial, known_repeats=not file)
    return Exit.OK


def _trying(session: Session, mailbox: str | None, file: list[str] | None) -> Try:
    """How each mail of a corpus is tried: by documents, by what the store says, or with nothing that rejects it."""
    if file:
        return _by_documents(file, mailbox or "")
    if mailbox is None:
        return lambda email: attempt(Letter(email, corpus.TAKES_ALL), Catalogue(), frozenset())

    async def look(store: Store) -> tuple[Mailbox, Rules]:
        return await find(store, mailbox), await saved(store)

    box, rules = session.run(look)
    return lambda email: attempt(Letter(email, box), rules.catalogue, rules.own, rules.marks)


def _by_documents(file: list[str], mailbox: str) -> Try:
    boxes, catalogue = from_documents(file)
    box, own = _named(boxes, mailbox), _own(boxes)
    return lambda email: attempt(Letter(email, box), catalogue, own)


def read_raw(mail: str) -> bytes:
    """The bytes of a mail. Raises ConfigurationError if they cannot be read."""
    try:
        return sys.stdin.buffer.read(MAX_BYTES) if mail == "-" else Path(mail).read_bytes()
    except OSError as error:
        what = f"the mail cannot be read: {error.strerror or type(error).__name__}"
        raise ConfigurationError(what, where=mail, remedy="name a file with a raw mail, or - for stdin") from None


def from_documents(paths: list[str]) -> tuple[dict[str, Mailbox], Catalogue]:
    """Mailboxes and catalogue as the documents say, without a store."""
    documents = load(paths)
    boxes = {one.name: Mailbox(name=one.name, spec=split_secrets(one.spec)[0]) for one in documents.mailboxes}
    items = [one.item for one in documents.catalogue]
    return boxes, Catalogue(
        services=tuple(one for one in items if isinstance(one, Service)),
        processes=tuple(one for one in items if isinstance(one, Process)),
        departments=tuple(one for one in items if isinstance(one, Department)),
    )


def _named(boxes: dict[str, Mailbox], name: str) -> Mailbox:
    if name not in boxes:
        remedy = suggest(name, boxes, f"they hold: {', '.join(boxes) or 'none'}")
        raise NotFound(f"the documents hold no mailbox {name}", remedy=remedy)
    return boxes[name]


def _own(boxes: dict[str, Mailbox]) -> frozenset[str]:
    return frozenset(address for one in boxes.values() for address in one.spec.addresses)


def _print(printer: Printer, mailbox: str, trial: Trial, *, known_repeats: bool) -> None:
    if not printer.for_people:
        printer.data(_record(mailbox, trial))
        return
    email = trial.email
    fields = {
        "from": email.sender.address if email.sender else f"({email.sender_status.value})",
        "subject": email.subject,
        "recipients": ", ".join(f"{one.address} ({one.source.value})" for one in email.recipients),
        "Message-ID": email.message_id,
        "attachments": ", ".join(one.filename for one in email.attachments),
        "flags": ", ".join(email.flags),
    }
    printer.pairs(f"Mail as the rules of {mailbox} see it", fields)
    rows = [(number, one.stage, one.rule, one.verdict.value, one.sentence) for number, one in enumerate(trial.steps, 1)]
    printer.table("Steps", ("", "stage", "rule", "verdict", "sentence"), rows)
    if not known_repeats:
        printer.line("Without a store nobody knows whether it repeats another mail, or answers one of ours.")
    printer.line(trial.sentence)


def _record(mailbox: str, trial: Trial) -> dict[str, Any]:
    place = trial.classification
    return {
        "mailbox": mailbox,
        "kind": trial.kind.value,
        "reason": trial.reason,
        "sentence": trial.sentence,
        "classification": place.model_dump(mode="json") if place else None,
        "steps": [one.model_dump(mode="json") for one in trial.steps],
        "mail": trial.email.model_dump(mode="json", exclude={"text", "html"}),
    }
