"""The audit log by page: what came about, newest first, with its difference and without a secret."""

import html
import re

import httpx
from pydantic import SecretStr

from services.console import changes
from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Service
from tests.support.builders import mailbox
from tests.support.canary import secret
from tests.support.console import Console

TYPED = secret("a password in a mailbox")


def plain(page: httpx.Response) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def listed(page: httpx.Response) -> list[str]:
    """The names in the list, from the top."""
    return [html.unescape(one) for one in re.findall(r'name=[^"]*">([^<]+)</a>', page.text)]


async def test_a_change_is_shown_with_who_when_and_only_what_is_different(console: Console) -> None:
    old = Catalogue(services=tuple(Service(name=f"s-{number}", keywords=("a",)) for number in range(30)))
    other = old.services[7].model_copy(update={"keywords": ("a", "b <c>")})
    new = old.model_copy(update={"services": (*old.services[:7], other, *old.services[8:])})
    await changes.save_catalogue(console.store, "user ada", old, new)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        shown = await admin.get("/audit")
    page = plain(shown)
    assert "01 Mar 2026, 12:00 UTC user ada Update Catalogue catalogue" in page
    assert "+ - b <c>" in page
    assert ("s-7" in page, "s-8" in page) == (True, False)


async def test_of_secrets_it_is_told_only_what_became_of_them(console: Console) -> None:
    stored = await console.store.mailboxes.put(mailbox(), {"auth.password": SecretStr(TYPED)}, create=True)
    await console.store.audit.append(
        "user ada", "update", "Mailbox", "support", old={}, new={}, secrets={"auth.password": "changed"}
    )
    await changes.delete_mailbox(console.store, "user ada", stored)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        page = plain(await admin.get("/audit?kind=Mailbox"))
    assert "Secrets: auth.password changed" in page
    assert "- email: support@example.com" in page


async def test_kind_and_name_narrow_it_and_a_failure_is_marked(console: Console) -> None:
    audit = console.store.audit
    for kind, name in (
        ("Mailbox", "support"),
        ("Mailbox", "sales"),
        ("User", "ada@desk.example"),
        ("Mailbox", "support"),
    ):
        await audit.append("user ada", "update", kind, name)
    await audit.append("user ada", "update", "Mailbox", "support", outcome="failed")
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        assert listed(await admin.get("/audit")) == ["support", "support", "ada@desk.example", "sales", "support"]
        assert listed(await admin.get("/audit?kind=User")) == ["ada@desk.example"]
        page = await admin.get("/audit?kind=Mailbox&name=support")
        assert (len(listed(page)), plain(page).count("Failed")) == (3, 1)
        assert listed(await admin.get("/audit?name=ada%40desk.example")) == ["ada@desk.example"]
        assert "Nothing found" in (await admin.get("/audit?name=nobody")).text
        assert len(listed(await admin.get("/audit?kind=$where"))) == 5, "no kind is any"


async def test_the_log_has_pages_that_keep_the_filter(console: Console) -> None:
    for number in range(52):
        await console.store.audit.append("user ada", "update", "Mailbox", f"box-{number:02}")
    await console.store.audit.append("user ada", "update", "User", "ada")
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        first = await admin.get("/audit?kind=Mailbox")
        there = html.unescape(re.findall(r'rel="next" href="([^"]+)"', first.text)[0])
        second = await admin.get(there)
        assert (listed(first)[0], listed(first)[-1]) == ("box-51", "box-02")
        assert listed(second) == ["box-01", "box-00"]
        assert (await admin.get("/audit?cursor=nonsense")).status_code == 422
