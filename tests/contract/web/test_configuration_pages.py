"""Several mailboxes at once, and configuration as YAML by page: paused, exported, imported after a look."""

import pytest
import yaml
from pydantic import SecretStr

from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Department
from tests.contract.web.test_mailbox_pages import plain, stored
from tests.support.canary import secret
from tests.support.console import Console, there

IMPORT = "/configuration/import"
TYPED = secret("typed into a document")
NEW = f"""\
apiVersion: mail-automator/v1
kind: Department
metadata: {{name: it}}
---
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: fresh}}
spec:
  module: ticket
  email: fresh@desk.example
  imap: {{host: imap.desk.example}}
  auth: {{type: basic, password: "{TYPED}"}}
  acknowledgements: {{enabled: false}}
  domains: {{department: it}}
"""


async def test_the_chosen_mailboxes_are_paused_and_resumed_and_each_is_audited(console: Console) -> None:
    for name in ("a", "b", "c"):
        await stored(console, name)
    await console.store.mailboxes.set_paused("b", True)
    async with await console.signed_in(Role.OPERATOR) as operator:
        shown = await operator.get("/mailboxes")
        assert shown.text.count('type="checkbox"') == 3
        answer = await operator.submit(shown, "/mailboxes", name=["a", "b", "nobody"], do="pause")  # type: ignore[arg-type]
        assert there(answer) == "/mailboxes"
        assert "Now paused: a." in plain(await operator.get("/mailboxes"))
        assert {one.name for one in await console.store.mailboxes.all() if one.paused} == {"a", "b"}
        await operator.submit(shown, "/mailboxes", name=["a", "b"], do="resume")  # type: ignore[arg-type]
        assert "Now resumed: a, b." in plain(await operator.get("/mailboxes"))
        await operator.submit(shown, "/mailboxes", do="pause")
        assert "Choose at least one mailbox" in plain(await operator.get("/mailboxes"))
    assert not any(one.paused for one in await console.store.mailboxes.all())
    records = await console.store.audit.page(kind="Mailbox")
    assert [(one.action, one.name) for one in records] == [("resume", "b"), ("resume", "a"), ("pause", "a")]
    assert len(console.told) == 2
    async with await console.signed_in(Role.VIEWER) as viewer:
        page = await viewer.get("/mailboxes")
        assert ('value="pause"' in page.text, "Export as YAML" in page.text) == (False, True)


async def test_the_chosen_mailboxes_or_everything_are_exported_without_secrets(console: Console) -> None:
    for name in ("a", "b", "c"):
        await stored(console, name)
    await console.store.catalogue.save(Catalogue(departments=(Department(name="it"),)))
    async with await console.signed_in(Role.VIEWER) as viewer:
        shown = await viewer.get("/mailboxes")
        csrf = shown.text.partition('name="csrf" content="')[2].partition('"')[0]
        some = await viewer.post("/configuration/export", {"csrf": csrf, "name": ["c", "a"]})  # type: ignore[dict-item]
        everything = await viewer.get("/configuration/export")
    assert some.headers["content-disposition"] == 'attachment; filename="mail-automator.yaml"'
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(some.text)] == ["a", "c"]
    assert [one["kind"] for one in yaml.safe_load_all(everything.text)] == ["Department", *["Mailbox"] * 3]
    assert next(yaml.safe_load_all(some.text))["spec"]["auth"]["passwordFrom"] == {"stored": True}


async def test_what_was_exported_and_is_imported_changes_nothing(console: Console) -> None:
    await stored(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        text = (await editor.get("/configuration/export")).text
        shown = await editor.submit(await editor.get(IMPORT), IMPORT, text=text)
        assert "Nothing would change" in plain(shown)
        assert f"{IMPORT}/apply" not in shown.text


async def test_documents_are_imported_once_their_difference_was_seen_and_no_secret_is_shown(console: Console) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        shown = await editor.submit(await editor.get(IMPORT), IMPORT, text=NEW)
        words = plain(shown)
        assert "Department it: create" in words and "Mailbox fresh: create" in words
        assert "auth.password: a new secret is given (never shown)" in words
        assert await console.store.mailboxes.get("fresh") is None
        done = await editor.submit(shown, f"{IMPORT}/apply")
        assert there(done) == "/mailboxes"
        assert "The import is done: 2 to create." in plain(await editor.get("/mailboxes"))
        again = await editor.submit(shown, f"{IMPORT}/apply")
        assert (again.status_code, "paste it again" in plain(again)) == (422, True)
    found = await console.store.mailboxes.get("fresh")
    assert found is not None and found.managed_by == "console"
    assert (await console.store.secrets.reveal(found, "auth.password")).get_secret_value() == TYPED
    assert [one.name for one in (await console.store.catalogue.load()).departments] == ["it"]
    who = {(one.action, one.who) for one in await console.store.audit.page(kind="Mailbox", name="fresh")}
    assert who == {("create", "user editor.person")}
    assert not await console.store.collection("drafts").find({})
    assert console.told


async def test_a_difference_that_is_another_one_by_now_is_shown_again(console: Console) -> None:
    await stored(console)
    async with await console.signed_in(Role.EDITOR) as editor:
        text = (await editor.get("/configuration/export")).text.replace("module: ticket", "module: request")
        shown = await editor.submit(await editor.get(IMPORT), IMPORT, text=text)
        mailbox = await console.store.mailboxes.get("support")
        assert mailbox is not None
        spec = mailbox.spec.model_copy(update={"aliases": ("help@desk.example",)})
        await console.store.mailboxes.put(mailbox.model_copy(update={"spec": spec}), {})
        late = await editor.submit(shown, f"{IMPORT}/apply")
        assert "The configuration changed meanwhile" in plain(late)
        assert "help@desk.example" in plain(late)
        assert there(await editor.submit(late, f"{IMPORT}/apply")) == "/mailboxes"
    found = await console.store.mailboxes.get("support")
    assert found is not None and (found.spec.module.value, found.spec.aliases) == ("request", ())


async def test_an_editor_may_not_name_files_of_the_server_nor_change_what_git_manages(console: Console) -> None:
    text = NEW.replace(f'password: "{TYPED}"', "passwordFrom: {file: /etc/passwd}")
    git = await stored(console, name="other")
    await console.store.mailboxes.put(
        git.model_copy(update={"name": "git", "managed_by": "apply"}),
        {"auth.password": SecretStr(TYPED)},
        create=True,
    )
    async with await console.signed_in(Role.EDITOR) as editor:
        refused = await editor.submit(await editor.get(IMPORT), IMPORT, text=text)
        assert (refused.status_code, "only an administrator" in plain(refused).lower()) == (403, True)
        exported = (await editor.get("/configuration/export")).text
        same = await editor.submit(await editor.get(IMPORT), IMPORT, text=exported)
        assert "Nothing would change" in plain(same)
        changed = exported.replace("module: ticket", "module: request")
        managed = await editor.submit(await editor.get(IMPORT), IMPORT, text=changed)
        assert (managed.status_code, "Mailbox git is managed by `apply`" in plain(managed)) == (409, True)
    async with await console.signed_in(Role.ADMINISTRATOR) as administrator:
        allowed = await administrator.submit(await administrator.get(IMPORT), IMPORT, text=text)
        assert "Mailbox fresh: create" in plain(allowed)


LAUGHS = "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "Is not YAML"),
        (NEW.replace("emial", "email").replace("email:", "emial:"), 'did you mean "email"?'),
        (LAUGHS, "Aliases are not taken here"),
        ("[" * 5000, "nested deeper"),
        ("x" * 300_000, "over 256 KiB"),
        ("", "There is no document in this text"),
    ],
)
async def test_what_is_no_document_is_told_in_words(console: Console, text: str, words: str) -> None:
    async with await console.signed_in(Role.EDITOR) as editor:
        answer = await editor.submit(await editor.get(IMPORT), IMPORT, text=text)
    assert (answer.status_code, words in plain(answer)) == (422, True), plain(answer)
    assert not await console.store.collection("drafts").find({})
