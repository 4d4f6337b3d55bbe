"""A mailbox that somebody is writing, from tab to tab: what it is, and what was tested of it. Pure, but for the doors.

A draft is kept sealed by the store and belongs to one user; nothing of it counts before it is submitted.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import Field, SecretStr

from services.console.api.mailbox_tests import passed
from services.console.configuration.documents import API_VERSION, MailboxDocument, parse
from services.console.configuration.export import mailbox_document
from services.console.configuration.problems import Position
from services.console.configuration.source import RawDocument
from services.console.probe.steps import StepResult
from shared.domain.mailbox import Mailbox, MailboxSpec, split_secrets
from shared.domain.value import Value
from shared.store.client import Store

Spec = dict[str, Any]
"""The `spec` of a document, as people write it."""


class Draft(Value):
    """What was written so far. `revision` is the one that it changes (0: it is new), `tested` the digest of what the
    `steps` tested."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    spec: Spec
    revision: int = 0
    tested: str = ""
    steps: tuple[StepResult, ...] = ()

    def with_spec(self, spec: Spec) -> "Draft":
        """The same with other values. Results of a test stay: they say what they are of."""
        return self.model_copy(update={"spec": spec})

    def with_steps(self, steps: Iterable[StepResult]) -> "Draft":
        """The same with the results of a test of its values."""
        return self.model_copy(update={"steps": tuple(steps), "tested": digest(document(self).spec)})

    @property
    def passed(self) -> bool:
        """Whether a test of exactly these values went well."""
        return bool(self.steps) and passed(self.steps) and self.tested == digest(document(self).spec)


def document(draft: Draft) -> MailboxDocument:
    """The document that a draft is. Raises ConfigurationProblems."""
    metadata = {"name": draft.name, "labels": draft.labels}
    raw = {"apiVersion": API_VERSION, "kind": "Mailbox", "metadata": metadata, "spec": draft.spec}
    (found,) = parse([RawDocument(raw, Position("form", 1))]).mailboxes
    return found


def draft_of(mailbox: Mailbox) -> Draft:
    """A draft that changes nothing yet."""
    content = mailbox_document(mailbox.name, mailbox.labels, mailbox.spec)
    return Draft(name=mailbox.name, labels=mailbox.labels, spec=content["spec"], revision=mailbox.revision)


def digest(spec: MailboxSpec) -> str:
    """What a test depends on, as one word: servers, users, sign-in, secrets."""
    plain, secrets = split_secrets(spec)
    tested = plain.model_dump(mode="json", include={"email", "imap", "smtp", "auth"})
    typed = {name: secret.get_secret_value() for name, secret in sorted(secrets.items())}
    return hashlib.sha256(json.dumps([tested, typed], sort_keys=True).encode()).hexdigest()


def may_go_on(draft: Draft, stored: Mailbox | None) -> bool:
    """Whether it may be saved as it is: tested, or as it was before, or disabled, or to be signed in to by a person
    first, who can do so only once it is saved."""
    spec = document(draft).spec
    as_before = stored is not None and digest(spec) == digest(stored.spec)
    return not spec.enabled or as_before or spec.delegated is not None or draft.passed


def typed(draft: Draft) -> dict[str, SecretStr]:
    """The secrets that were typed for it, by `part.field`."""
    return split_secrets(document(draft).spec)[1]


async def load(store: Store, user: str, name: str) -> Draft | None:
    """The draft of a user, if there is one."""
    found = await store.drafts.get(user, name)
    return Draft.model_validate(found) if found is not None else None


async def keep(store: Store, user: str, draft: Draft) -> None:
    """Keep it."""
    await store.drafts.put(user, draft.name, draft.model_dump(mode="json"))
