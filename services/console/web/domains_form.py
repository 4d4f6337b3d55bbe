"""The fields of the tab Domains, the part of a mailbox's document that they are, and what contradicts itself. Pure."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from starlette.datastructures import FormData

from services.console.web.form_fields import lines, text, words
from shared.domain.mailbox import Domains
from shared.domain.patterns import address_matches, domain_matches

Spec = dict[str, Any]
SWITCHES: Final = (
    "classifyServiceBySubject",
    "allowDuplicates",
    "onlyIfInTo",
    "fullSubjectMatch",
    "allowProcessClassification",
    "approvedDomainsOnly",
    "requireAlignedSender",
)
WORDS: Final = ("defaultService", "department", "duplicateWindowHours")
LISTS: Final = ("blockedSenders", "approvedDomains")
"""By their names in `spec.domains`; fields are called `domains.` and that."""
VOUCHING: Final = ("authservId", "authservHops")
"""Fields of `spec` itself."""
ANYONE: Final = "somebody"


def shown(spec: Spec) -> dict[str, Any]:
    """What the fields hold: switches are `"on"` or `""`, lists are lists."""
    given: Spec = spec.get("domains") or {}
    blank = Domains().model_dump(mode="json", by_alias=True)
    whole = {f"domains.{one}": value for one, value in {**blank, **given}.items()}
    switches = {f"domains.{one}": "on" if whole[f"domains.{one}"] else "" for one in SWITCHES}
    vouching = {one: spec.get(one) or "" for one in VOUCHING}
    return {**whole, **switches, **vouching, "aliases": spec.get("aliases", [])}


def filled(spec: Spec, form: FormData) -> Spec:
    """The document with what was given."""
    made = copy.deepcopy(spec)
    rules: Spec = {one: form.get(f"domains.{one}") == "on" for one in SWITCHES}
    rules |= {one: given for one in WORDS if (given := text(form, f"domains.{one}"))}
    rules |= {one: words(form, f"domains.{one}") for one in LISTS}
    rules["subjectKeywords"] = lines(form, "domains.subjectKeywords")
    rules["impactServices"] = [str(one) for one in form.getlist("domains.impactServices")]
    made["domains"] = rules
    made["aliases"] = words(form, "aliases")
    vouching = {one: given for one in VOUCHING if (given := text(form, one))}
    return {one: value for one, value in made.items() if one not in VOUCHING} | vouching


def conflicts(rules: Domains) -> Iterator[str]:
    """What is allowed and most likely not meant, one sentence each."""
    for pattern in rules.blocked_senders:
        for domain in rules.approved_domains:
            if _meet(pattern, domain):
                yield f"{pattern} is blocked and {domain} is approved: mail that both fit is rejected."
    if rules.approved_domains and not rules.approved_domains_only:
        yield "The approved domains are not used: “Approve only these domains” is off, so every domain is approved."
    if rules.subject_keywords and not rules.full_subject_match:
        yield "The subjects are not used: “Full subject match” is off."
    if rules.impact_services and rules.default_service not in (None, *rules.impact_services):
        yield f"The default service {rules.default_service} is not one of the services that this mailbox can impact."


def _meet(pattern: str, domain: str) -> bool:
    """Whether a mail can fit both a blocked pattern and an approved domain."""
    host = domain.replace("*.", "any.", 1)
    if "@" not in pattern:
        return domain_matches(pattern, host) or (domain.startswith("*.") and pattern.endswith(domain[1:]))
    local, _, blocked = pattern.rpartition("@")
    return address_matches(f"*@{blocked}", f"{ANYONE}@{host}") or (bool(local) and domain_matches(domain, blocked))
