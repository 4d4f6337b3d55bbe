"""A mailbox is written: the tab Email Config and its test, the tab Domains and its back-test, review, submit.

One address per tab. What was written is kept as a draft from tab to tab; nothing of it counts before it is submitted.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from services.console import testing
from services.console.api import mailbox_tests
from services.console.api import mailboxes as api
from services.console.api.caller import Asking
from services.console.api.mailboxes import Name
from services.console.api.problems import Refused
from services.console.api.sources import check_sources
from services.console.api.surroundings import Here, Surroundings
from services.console.backtest import USUAL, Wanted
from services.console.configuration import apply as applying
from services.console.configuration.diff import unified
from services.console.configuration.documents import Documents
from services.console.configuration.plan import Action
from services.console.configuration.problems import ConfigurationProblems
from services.console.defaults.presets import defaults
from services.console.probe.steps import StepResult
from services.console.rules import saved, unsaved
from services.console.web import backtesting, domains_form, email_form, kit, mailbox_history
from services.console.web import drafts as keeping
from services.console.web.drafts import Draft
from services.console.web.errors import sentence
from services.console.web.visitor import Me, Visitor
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, Provider
from shared.store.mailboxes import source_of
from shared.store.rates import TooOften

BLANK: Final = Draft(name="", spec={"module": "ticket"})
MANAGED: Final = "change its YAML document and apply it"
NOT_TESTED: Final = (
    "These values have not passed a test. Test them first, or switch off “Fetch mail once it is saved” to save the "
    "mailbox as disabled."
)


@dataclass(frozen=True, slots=True)
class Begun:
    """What is written: the draft, the mailbox that it changes (None: it is new), and whether the draft is kept."""

    draft: Draft
    stored: Mailbox | None = None
    kept: bool = False


async def new(request: Request, here: Here) -> Response:
    """Ask where a new mailbox is."""
    return await _email(request, here, Begun(BLANK), email_form.shown("", BLANK.spec))


async def create(request: Request, here: Here, me: Me) -> Response:
    """Take the first tab of a new mailbox."""
    given = await kit.form(request)
    return await _take_email(request, here, me, Begun(BLANK.model_copy(update={"name": given.get("name", "")})), given)


async def email(request: Request, here: Here, me: Me, name: Name) -> Response:
    """The tab Email Config."""
    begun = await _begun(here, me, name)
    return await _email(request, here, begun, email_form.shown(name, begun.draft.spec))


async def save_email(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Take the tab Email Config: fill in defaults, test, keep, or go on."""
    return await _take_email(request, here, me, await _begun(here, me, name), await kit.form(request))


async def domains(request: Request, here: Here, me: Me, name: Name) -> Response:
    """The tab Domains."""
    begun = await _begun(here, me, name)
    return await _domains(request, here, begun, domains_form.shown(begun.draft.spec))


async def save_domains(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Take the tab Domains: try it on the last mails, or go on."""
    begun, form = await _begun(here, me, name), await request.form()
    draft = begun.draft.with_spec(domains_form.filled(begun.draft.spec, form))
    begun = Begun(draft, begun.stored, begun.kept)
    try:
        keeping.document(draft)
    except ConfigurationProblems as error:
        found = email_form.errors(error)
        return await _domains(request, here, begun, domains_form.shown(draft.spec), found)
    await keeping.keep(here.store, me.user.key, draft)
    if form.get("do") == "try" and begun.stored is not None:
        return await _tried(request, here, me, draft)
    return kit.redirect(request, f"/mailboxes/{name}/edit/review")


async def review(request: Request, here: Here, me: Me, name: Name) -> Response:
    """What submitting would change."""
    return await _review(request, here, await _begun(here, me, name))


async def submit(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Save and activate it, over the revision that the draft began with."""
    begun = await _begun(here, me, name)
    draft, stored = begun.draft, begun.stored
    if draft.revision != (stored.revision if stored else 0):
        return await _conflict(request, here, begun)
    if not keeping.may_go_on(draft, stored):
        await kit.flash(request, "wrong", NOT_TESTED)
        return kit.redirect(request, f"/mailboxes/{name}/edit/email")
    try:
        await api.save(here, Asking(me.who, me.user.key, me.role), Documents((keeping.document(draft),)), stored)
    except Refused as error:
        if error.status not in (409, 412):
            raise
        return await _conflict(request, here, await _begun(here, me, name))
    except ConfigurationProblems:
        return await _review(request, here, begun)
    await here.store.drafts.drop(me.user.key, name)
    await kit.flash(request, "done", f"{name} is saved. {_begins(keeping.document(draft).spec.enabled)}")
    return kit.redirect(request, f"/mailboxes/{name}")


async def rebase(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Let the draft change the revision of now."""
    begun = await _begun(here, me, name)
    revision = begun.stored.revision if begun.stored else 0
    await keeping.keep(here.store, me.user.key, begun.draft.model_copy(update={"revision": revision}))
    return kit.redirect(request, f"/mailboxes/{name}/edit/review")


async def discard(request: Request, here: Here, me: Me, name: Name) -> Response:
    """Forget the draft."""
    await here.store.drafts.drop(me.user.key, name)
    await kit.flash(request, "done", f"The draft of {name} is discarded.")
    there = await here.store.mailboxes.get(name)
    return kit.redirect(request, f"/mailboxes/{name}" if there else "/mailboxes")


async def _begun(here: Surroundings, me: Visitor, name: str) -> Begun:
    """What this visitor has written of a mailbox, or the mailbox itself. Raises Refused 404, or 409 if it is not ours
    to change."""
    draft, stored = await keeping.load(here.store, me.user.key, name), await here.store.mailboxes.get(name)
    if stored is not None:
        api.check_manager(stored, MANAGED)
    if draft is not None:
        return Begun(draft, stored, kept=True)
    return Begun(keeping.draft_of(stored or await api.find(here, name)), stored)


# --- Email Config ---


async def _take_email(
    request: Request, here: Surroundings, me: Visitor, begun: Begun, given: Mapping[str, str]
) -> Response:
    if given.get("do") == "defaults":
        return await _with_defaults(request, here, begun, given)
    draft = begun.draft.with_spec(email_form.filled(begun.draft.spec, given))
    found = await _email_errors(here, me, draft, begun.stored)
    if found:
        return await _email(request, here, begun, email_form.again(given), found)
    await keeping.keep(here.store, me.user.key, draft)
    if given.get("do") == "test":
        return await _tested(request, here, me, draft)
    if given.get("do") == "next":
        if keeping.may_go_on(draft, begun.stored):
            return kit.redirect(request, f"/mailboxes/{draft.name}/edit/domains")
        await kit.flash(request, "wrong", NOT_TESTED)
    return kit.redirect(request, f"/mailboxes/{draft.name}/edit/email")


async def _email_errors(here: Surroundings, me: Visitor, draft: Draft, stored: Mailbox | None) -> Mapping[str, str]:
    try:
        document = keeping.document(draft)
        check_sources(me.role, draft.name, document.spec, stored)
    except ConfigurationProblems as error:
        kind: dict[str, Any] = draft.spec["auth"]
        return email_form.errors(error, kind["type"])
    if draft.revision == 0 and stored is None and await here.store.mailboxes.get(draft.name) is not None:
        return {"name": "There is a mailbox of that name already."}
    return {}


async def _with_defaults(request: Request, here: Surroundings, begun: Begun, given: Mapping[str, str]) -> Response:
    provider = Provider.MICROSOFT if given.get("provider") == "microsoft" else Provider.OTHER
    kind = given.get("auth.type", "")
    try:
        found = defaults(
            given.get("email", ""), provider, kind if kind in ("oauth2_microsoft", "exchange") else "basic"
        )
    except ConfigurationError:
        wrong = {"email": "Give the address first: its servers follow from it."}
        return await _email(request, here, begun, email_form.again(given), wrong)
    note = f"Servers, ports and encryption are filled in for {found.title}. Passwords have to be typed again."
    return await _email(request, here, begun, email_form.with_servers(given, found), note=note)


async def _tested(request: Request, here: Surroundings, me: Visitor, draft: Draft) -> Response:
    """Walk the checklist: as a stream for our script, otherwise to its end, and then the page shows it."""
    back = f"/mailboxes/{draft.name}/edit/email"
    try:
        await testing.admit(here.store, me.who)
    except TooOften as error:
        await kit.flash(request, "wrong", f"{sentence(error.what)} {sentence(error.remedy)}")
        return kit.redirect(request, back)
    mailbox = Mailbox(name=draft.name, spec=keeping.document(draft).spec)
    name = draft.name if draft.revision else testing.UNSAVED
    steps = _remembered(here, me, draft, mailbox_tests.results(here, me.who, name, mailbox))
    if mailbox_tests.EVENTS in request.headers.get("accept", ""):
        headers = {"X-Accel-Buffering": "no", "Content-Location": kit.address(request, back)}
        return StreamingResponse(mailbox_tests.events(here, steps), media_type=mailbox_tests.EVENTS, headers=headers)
    await mailbox_tests.whole(here, request, steps)
    return kit.lead(request, f"{back}#test")


async def _remembered(
    here: Surroundings, me: Visitor, draft: Draft, steps: AsyncGenerator[StepResult]
) -> AsyncGenerator[StepResult]:
    """The same; a test that came to its end is kept with the draft."""
    walked = list[StepResult]()
    async with aclosing(steps):
        async for step in steps:
            walked.append(step)
            yield step
    await keeping.keep(here.store, me.user.key, draft.with_steps(walked))


async def _email(
    request: Request,
    here: Surroundings,
    begun: Begun,
    values: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
    note: str = "",
) -> Response:
    draft = begun.draft
    known = begun.kept or begun.stored is not None
    path = f"/mailboxes/{draft.name}/edit/email" if known else "/mailboxes/new/email"
    return await kit.render(
        request,
        "mailbox_email.html",
        title=draft.name if known else "New mailbox",
        crumbs=_crumbs(begun, "Email Config"),
        status=422 if wrong else 200,
        begun=begun,
        path=path,
        known=known,
        values=values,
        wrong=wrong or {},
        note=note,
        secrets=await _secret_notes(here, begun),
        passed=known and begun.kept and draft.passed,
        stale=known and bool(draft.steps) and draft.tested != keeping.digest(keeping.document(draft).spec),
    )


async def _secret_notes(here: Surroundings, begun: Begun) -> dict[str, str]:
    """What is known of each secret, by its field on the page; never the secret."""
    if not begun.kept and begun.stored is None:
        return {}
    spec = keeping.document(begun.draft).spec
    typed, notes = keeping.typed(begun.draft), dict[str, str]()
    for part, key in SECRET_FIELDS:
        field, source = f"{part}.{key}", source_of(spec, f"{part}.{key}")
        outside = "clientSecret" if key == "client_secret" else key
        page = f"{spec.auth.type}.{outside}" if part == "auth" else f"{part}.{outside}"
        if field in typed:
            notes[page] = "Kept with this draft, sealed: leave empty to keep it."
        elif source is not None and source.stored:
            at = await mailbox_history.secret_set_at(here.store, begun.draft.name, field)
            notes[page] = f"Stored{f', set on {at:%d %b %Y}' if at else ''}: leave empty to keep it."
        elif source is not None:
            notes[page] = f"Read from {source.file or source.env} on the server: leave empty to keep it so."
    return notes


# --- Domains ---


async def _domains(
    request: Request,
    here: Surroundings,
    begun: Begun,
    values: Mapping[str, Any],
    wrong: Mapping[str, str] | None = None,
) -> Response:
    catalogue = await here.store.catalogue.load()
    spec = None if wrong else keeping.document(begun.draft).spec
    return await kit.render(
        request,
        "mailbox_domains.html",
        title=begun.draft.name,
        crumbs=_crumbs(begun, "Domains"),
        status=422 if wrong else 200,
        begun=begun,
        values=values,
        wrong=wrong or {},
        services=[(one.name, one.title or one.name) for one in catalogue.services],
        departments=[(one.name, one.title or one.name) for one in catalogue.departments],
        conflicts=tuple(domains_form.conflicts(spec.domains)) if spec else (),
        usual=USUAL,
    )


async def _tried(request: Request, here: Surroundings, me: Visitor, draft: Draft) -> Response:
    """What would have become of the last mails, as a page."""
    rules = await saved(here.store)
    new_rules = unsaved(rules, Documents((keeping.document(draft),)))
    try:
        found = await backtesting.run(request, here, me.who, rules, new_rules, Wanted((draft.name,)))
    except TooOften as error:
        await kit.flash(request, "wrong", f"{sentence(error.what)} {sentence(error.remedy)}")
        return kit.redirect(request, f"/mailboxes/{draft.name}/edit/domains")
    if found is None:
        return Response(status_code=204)
    crumbs = [*_crumbs(Begun(draft, kept=True), "Domains")[:-1], ("Domains", f"/mailboxes/{draft.name}/edit/domains")]
    return await kit.render(
        request,
        "mailbox_backtest.html",
        title="What would have become of the last mails",
        crumbs=[*crumbs, ("Back-test", None)],
        name=draft.name,
        tried=found,
    )


# --- Review & Submit ---


async def _review(request: Request, here: Surroundings, begun: Begun) -> Response:
    draft = begun.draft
    problems: tuple[str, ...] = ()
    text = ""
    document = keeping.document(draft)
    try:
        todo = await applying.plan(here.store, Documents((document,)))
        text = unified(todo)
        changed = any(one.action is not Action.UNCHANGED for one in todo.changes)
    except ConfigurationProblems as error:
        problems, changed = tuple(f"{sentence(one.what)} {sentence(one.remedy)}" for one in error.problems), False
    return await kit.render(
        request,
        "mailbox_review.html",
        title=draft.name,
        crumbs=_crumbs(begun, "Review & Submit"),
        status=422 if problems and request.method == "POST" else 200,
        begun=begun,
        lines=mailbox_history.lines(text),
        problems=problems,
        changed=changed,
        ready=keeping.may_go_on(draft, begun.stored),
        not_tested=NOT_TESTED,
        enabled=document.spec.enabled,
        conflicts=tuple(domains_form.conflicts(document.spec.domains)),
    )


async def _conflict(request: Request, here: Surroundings, begun: Begun) -> Response:
    """Somebody was faster: who, and what is different by now."""
    draft, stored = begun.draft, begun.stored
    before = await here.store.versions.get(draft.name, draft.revision) if draft.revision else None
    return await kit.render(
        request,
        "mailbox_conflict.html",
        title="Somebody was faster",
        crumbs=_crumbs(begun, "Conflict"),
        status=409,
        begun=begun,
        changes=await mailbox_history.changes_since(here.store, draft.name, draft.revision, stored),
        lines=mailbox_history.lines(mailbox_history.between(before, stored)),
    )


def _crumbs(begun: Begun, here: str) -> list[tuple[str, str | None]]:
    name = begun.draft.name
    path = f"/mailboxes/{name}" if begun.stored else None
    middle = [(name, path)] if begun.stored or begun.kept else []
    return [("Mailboxes", "/mailboxes"), *middle, (here if middle else "New mailbox", None)]


def _begins(enabled: bool) -> str:
    return "Fetching begins within seconds." if enabled else "It is disabled: nothing is fetched."
