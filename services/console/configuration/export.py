"""Domain values to YAML documents. Never writes a secret: only where it is read from. Pure."""

from collections.abc import Iterable
from typing import Any

import yaml

from services.console.configuration.documents import API_VERSION, CatalogueItem
from shared.domain.catalogue import Catalogue
from shared.domain.mailbox import Mailbox, MailboxSpec, split_secrets


def export(mailboxes: Iterable[Mailbox], catalogue: Catalogue) -> str:
    """Everything as one multi-document YAML text; applying it again changes nothing."""
    documents = [item_document(one) for one in items(catalogue)]
    documents += [mailbox_document(one.name, one.labels, one.spec) for one in mailboxes]
    return "".join(f"---\n{as_yaml(one)}" for one in documents)


def items(catalogue: Catalogue) -> tuple[CatalogueItem, ...]:
    """The catalogue as one sequence: what is referred to stands before what refers to it."""
    return (*catalogue.departments, *catalogue.services, *catalogue.processes)


def item_document(item: CatalogueItem) -> dict[str, Any]:
    """A department, service or process as a document."""
    spec = item.model_dump(mode="json", by_alias=True, exclude={"name"}, exclude_defaults=True)
    return _document(type(item).__name__, {"name": item.name}, spec)


def mailbox_document(name: str, labels: dict[str, str], spec: MailboxSpec) -> dict[str, Any]:
    """A mailbox as a document, defaults left out. An inline secret becomes `<field>From: {stored: true}`."""
    plain, _ = split_secrets(spec)
    body = plain.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    auth = {"type": plain.auth.type, **body.pop("auth", {})}
    ordered = {key: body[key] for key in ("enabled", "provider", "module", "email", "aliases", "imap") if key in body}
    metadata: dict[str, Any] = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return _document(
        "Mailbox", metadata, {**ordered, "auth": auth, **{k: v for k, v in body.items() if k not in ordered}}
    )


def as_yaml(document: dict[str, Any]) -> str:
    """One document as YAML text, in the order of its fields."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _document(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
