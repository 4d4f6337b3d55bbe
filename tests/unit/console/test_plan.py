"""The plan: create, update, unchanged, delete; idempotent; and documents that do not fit the store are refused."""

import pytest

from services.console.configuration import documents, source
from services.console.configuration.diff import summary, unified
from services.console.configuration.export import export
from services.console.configuration.plan import Action, Current, Plan, decide
from services.console.configuration.problems import ConfigurationProblems
from shared.domain.catalogue import Catalogue
from shared.domain.mailbox import Mailbox
from tests.support.canary import WORD

CATALOGUE = """\
apiVersion: mail-automator/v1
kind: Department
metadata: {name: it}
---
apiVersion: mail-automator/v1
kind: Service
metadata: {name: hr}
spec: {keywords: [payroll], department: it}
---
apiVersion: mail-automator/v1
kind: Process
metadata: {name: leave}
spec: {keywords: [holiday], senders: ["*@example.org"]}
"""
MAILBOX = """\
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {name: support, labels: {team: a}}
spec:
  module: ticket
  email: support@example.com
  imap: {host: imap.example.com, port: 143, encryption: starttls, startFrom: 2026-01-31}
  smtp: {host: smtp.example.com, username: out, passwordFrom: {file: /run/smtp}}
  auth: {type: basic, password: HUSH}
  domains: {defaultService: hr, department: it, approvedDomainsOnly: true, approvedDomains: ["*.example.org"]}
""".replace("HUSH", WORD)
ALL = f"{CATALOGUE}---\n{MAILBOX}"


def given(text: str) -> documents.Documents:
    return documents.parse(source.parse(text, "boxes.yaml"))


def done(plan: Plan, before: Current) -> Current:
    """The store after a plan, as far as plans see it."""
    mailboxes = {name: one for name, one in before.mailboxes.items() if name not in plan.deletes}
    mailboxes |= {one.mailbox.name: one.mailbox for one in plan.writes}
    same = frozenset((one.mailbox.name, name) for one in plan.writes for name in one.secrets)
    return Current(mailboxes, plan.catalogue or before.catalogue, same)


def stored(text: str = ALL) -> Current:
    empty = Current({})
    return done(decide(empty, given(text)), empty)


def actions(plan: Plan) -> dict[str, Action]:
    return {one.title: one.action for one in plan.changes}


def problem(current: Current, text: str, **how: bool) -> str:
    with pytest.raises(ConfigurationProblems) as caught:
        decide(current, given(text), **how)
    (only,) = caught.value.problems
    return only.line()


def test_everything_new_is_created_and_the_secret_is_split_off():
    plan = decide(Current({}), given(ALL))
    assert set(actions(plan).values()) == {Action.CREATE}
    (write,) = plan.writes
    assert set(write.secrets) == {"auth.password"}
    assert write.mailbox.spec.auth.password_from.stored
    assert write.mailbox.managed_by == "apply"


def test_the_same_documents_again_change_nothing():
    plan = decide(stored(), given(ALL))
    assert not plan.changed
    assert (plan.writes, plan.catalogue, unified(plan)) == ((), None, "")
    assert summary(plan) == "4 unchanged"


def test_what_is_exported_and_applied_changes_nothing_and_holds_no_secret():
    current = stored()
    text = export(current.mailboxes.values(), current.catalogue)
    assert WORD not in text
    assert not decide(current, given(text)).changed
    assert not decide(current, given(text), prune=True).changed


def test_a_changed_field_is_an_update_that_keeps_revision_and_pause():
    current = stored()
    paused = current.mailboxes["support"].model_copy(update={"paused": True, "revision": 7})
    current = Current({"support": paused}, current.catalogue, current.same)
    plan = decide(current, given(MAILBOX.replace("team: a", "team: b")))
    assert actions(plan) == {"Mailbox support": Action.UPDATE}
    assert (plan.writes[0].mailbox.revision, plan.writes[0].mailbox.paused) == (7, True)
    assert "-    team: a\n+    team: b\n" in unified(plan)


def test_a_new_password_alone_is_an_update_and_is_never_shown():
    current = Current(stored().mailboxes, stored().catalogue)
    plan = decide(current, given(ALL.replace(WORD, f"{WORD}-new")))
    assert actions(plan)["Mailbox support"] is Action.UPDATE
    assert "auth.password: a new secret is given" in unified(plan)
    assert WORD not in unified(plan) + repr(plan)


def test_catalogue_kinds_are_merged_by_name_in_their_places():
    more = "apiVersion: mail-automator/v1\nkind: Service\nmetadata: {name: %s}\n"
    current = stored(f"{ALL}---\n{more % 'zoo'}")
    plan = decide(current, given(f"{more % 'printing'}---\n{more % 'hr'}"))
    assert plan.catalogue is not None
    assert [one.name for one in plan.catalogue.services] == ["hr", "zoo", "printing"]
    assert actions(plan) == {"Service hr": Action.UPDATE, "Service printing": Action.CREATE}


def test_prune_deletes_only_kinds_that_are_given_and_mailboxes_that_apply_made():
    current = stored()
    by_hand = current.mailboxes["support"].model_copy(update={"name": "by-hand", "managed_by": "console"})
    old = current.mailboxes["support"].model_copy(update={"name": "old"})
    boxes = {**current.mailboxes, "by-hand": by_hand, "old": old}
    plan = decide(Current(boxes, current.catalogue, current.same), given(MAILBOX), prune=True)
    assert plan.deletes == ("old",)
    assert plan.catalogue is None
    assert actions(plan) == {"Mailbox support": Action.UNCHANGED, "Mailbox old": Action.DELETE}


def test_prune_does_not_delete_a_service_that_a_mailbox_still_names():
    other = "apiVersion: mail-automator/v1\nkind: Service\nmetadata: {name: other}\n"
    line = problem(stored(), other, prune=True)
    assert 'no Service is named "hr" (the store, document 1, Mailbox support, spec.domains.defaultService)' in line


def test_an_unknown_service_or_department_is_an_error_with_the_closest_name():
    assert 'did you mean "hr"?' in problem(stored(), MAILBOX.replace("defaultService: hr", "defaultService: hrr"))
    line = problem(Current({}, stored().catalogue), MAILBOX.replace("department: it", "department: sales"))
    assert line.startswith('no Department is named "sales"')
    assert "spec.domains.department" in line


def test_a_service_may_only_name_a_department_that_exists():
    line = problem(Current({}), CATALOGUE.replace("metadata: {name: it}", "metadata: {name: sales}"))
    assert 'no Department is named "it"' in line


def test_a_stored_secret_that_is_not_there_is_refused():
    text = MAILBOX.replace(f"password: {WORD}", "passwordFrom: {stored: true}")
    assert "no auth.password is stored" in problem(Current({}, stored().catalogue), text)


def test_a_stored_secret_is_not_sent_to_another_host():
    text = MAILBOX.replace(f"password: {WORD}", "passwordFrom: {stored: true}").replace("imap.example", "evil.example")
    assert "the IMAP server (host) changed since the stored password was given" in problem(stored(), text)


def test_a_catalogue_alone_leaves_mailboxes_alone():
    plan = decide(Current({}, Catalogue()), given(CATALOGUE))
    assert (plan.writes, plan.deletes) == ((), ())
    assert isinstance(plan.catalogue, Catalogue)
    assert [type(one) for one in stored().mailboxes.values()] == [Mailbox]
