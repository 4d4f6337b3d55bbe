"""`users`: added, changed and removed by command line; a password is read from standard input, never an argument."""

import json

from tests.support.canary import secret

PASSWORD = secret("by command line")


def test_a_user_is_added_changed_disabled_and_removed(cli) -> None:
    assert cli("users", "add", "ada", "--role", "administrator", stdin=f"{PASSWORD}\n").code == 0
    assert cli("users", "add", "grace", stdin=f"{PASSWORD}\n").code == 0
    assert cli("users", "set-role", "grace", "editor").code == 0
    assert cli("users", "set-password", "grace", stdin=f"{PASSWORD} more\n").code == 0
    assert cli("users", "disable", "grace").code == 0
    listed = {one["name"]: one for one in json.loads(cli("users", "list", "-o", "json").out)}
    assert (listed["grace"]["role"], listed["grace"]["disabled"], listed["ada"]["has_password"]) == (
        "editor",
        True,
        True,
    )
    assert cli("users", "enable", "grace").code == 0
    assert cli("users", "remove", "grace").code == 0
    answer = cli("users", "remove", "ada")
    assert (answer.code, "only administrator" in answer.errors[0]) == (1, True)
    hashed = cli.store(lambda store: store.users.password("ada"))
    assert hashed.startswith("$argon2id$")
    log = str(cli.store(lambda store: store.audit.page(kind="User")))
    assert PASSWORD not in log and "argon2" not in log


def test_a_link_is_printed_instead_of_asking_for_a_password(cli) -> None:
    answer = cli("users", "add", "ada", "--link")
    assert answer.code == 0
    first = answer.out.partition("token=")[2].strip()
    second = json.loads(cli("users", "invite", "ada", "-o", "json").out)["link"].partition("token=")[2]
    find = cli.store
    assert find(lambda store: store.invitations.find(first)) is None, "the newer one replaces it"
    assert find(lambda store: store.invitations.find(second)).user == "ada"


def test_a_weak_password_a_bad_name_and_an_unknown_user_are_one_line(cli) -> None:
    assert "at least 12" in cli("users", "add", "ada", stdin="short\n").errors[0]
    assert "small letters" in cli("users", "add", "Ada Lovelace", stdin=f"{PASSWORD}\n").errors[0]
    assert "no user nobody" in cli("users", "disable", "nobody").errors[0]
