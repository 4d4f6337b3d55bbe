"""`simulate --corpus`: every mail of a folder has an end, and its cost is told."""

import json
import mailbox
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from services.console import corpus
from services.console.cli.corpus import TAKES_ALL
from services.console.corpus import Item
from services.console.trial import Letter, Trial, attempt
from shared.domain.catalogue import Catalogue
from shared.domain.email import Email
from tests.contract.cli.test_simulate_command import CONFIG, MAIL
from tests.hostile.mails import ROWS
from tests.support.mails import mail

MAILS = Path(__file__).parents[2] / "mails"
FOLDER = os.environ.get("MAIL_AUTOMATOR_TEST_CORPUS", "")


def pythons_own() -> Path | None:
    """The mails that Python tests its own parser with (Debian: libpython3.11-testsuite), where they are installed."""
    spec = find_spec("test.test_email") if find_spec("test") else None
    places = spec.submodule_search_locations if spec else None
    folder = Path(next(iter(places))) / "data" if places else None
    return folder if folder and folder.is_dir() else None


def told(cli, folder: Path, *more: str, code: int = 0) -> dict:
    answer = cli.here("simulate", "--corpus", str(folder), "--output", "json", *more)
    assert (answer.code, answer.errors) == (code, []), answer.errors
    return json.loads(answer.out)


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(MAILS, id="ours"),
        pytest.param(
            pythons_own(), id="python's", marks=pytest.mark.skipif(pythons_own() is None, reason="not installed")
        ),
        pytest.param(
            Path(FOLDER), id="given", marks=pytest.mark.skipif(not FOLDER, reason="MAIL_AUTOMATOR_TEST_CORPUS not set")
        ),
    ],
)
@pytest.mark.timeout(3600)
def test_every_mail_of_a_corpus_has_an_outcome(cli, folder: Path):
    found = told(cli, folder)
    assert found["sum"]["mails"] == len(found["mails"]) > 0
    assert "none" not in found["sum"]["outcomes"]
    assert found["sum"]["deaths"] == 0
    assert {"out_of_memory", "out_of_cpu", "out_of_time", "parser_crashed"}.isdisjoint(found["sum"]["flags"])


def test_the_slowest_mail_comes_first_and_folders_and_mboxes_are_opened(cli):
    folder = cli.home / "corpus"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.eml").write_bytes(mail(subject="a"))
    (folder / "slow.eml").write_bytes(next(one for one in ROWS if one.number == 24).write())
    box = mailbox.mbox(folder / "box.mbox")
    for subject in ("b", "c"):
        box.add(mail(subject=subject))
    box.close()
    found = told(cli, folder)
    assert {one["name"] for one in found["mails"]} == {"inner/a.eml", "slow.eml", "box.mbox#1", "box.mbox#2"}
    first = found["mails"][0]
    assert (first["name"], first["kind"], first["reason"]) == ("slow.eml", "ticket", "ticket_created")
    assert "text_truncated" in first["flags"]
    assert first["memory"] is None or first["memory"] > 60_000_000
    assert found["sum"]["outcomes"] == {"ticket": 4}


def test_the_rules_of_a_mailbox_are_asked(cli):
    config = cli.file(CONFIG)
    folder = cli.home / "corpus"
    folder.mkdir()
    (folder / "good.eml").write_text(MAIL)
    (folder / "bad.eml").write_text(MAIL.replace("example.org>", "spam.example>"))
    found = told(cli, folder, "--mailbox", "support", "-f", config)
    assert {one["name"]: one["reason"] for one in found["mails"]} == {
        "good.eml": "request_created",
        "bad.eml": "blocked_sender",
    }
    assert cli.here("apply", "-f", config).code == 0
    assert told(cli, folder, "--mailbox", "support")["sum"]["outcomes"] == found["sum"]["outcomes"]


async def test_a_file_that_cannot_be_read_has_no_outcome_and_the_others_go_on(tmp_path: Path):
    (tmp_path / "good.eml").write_bytes(mail())
    items = (Item("gone.eml", (tmp_path / "gone.eml").read_bytes), *corpus.items(tmp_path))
    total = corpus.Sum()

    def trial(email: Email) -> Trial:
        return attempt(Letter(email, TAKES_ALL), Catalogue(), frozenset())

    found = [one async for one in corpus.run(iter(items), trial, total)]
    assert [(one.name, one.kind) for one in found] == [("gone.eml", "none"), ("good.eml", "ticket")]
    assert found[0].reason == "it cannot be read: No such file or directory"
    assert not total.complete


def test_only_files_are_read(cli):
    folder = cli.home / "corpus"
    folder.mkdir()
    (folder / "good.eml").write_bytes(mail())
    os.mkfifo(folder / "pipe.eml")
    assert {one["name"] for one in told(cli, folder)["mails"]} == {"good.eml"}


def test_people_see_a_table_and_the_sum(cli):
    answer = cli("simulate", "--corpus", str(MAILS / "list"))
    assert answer.code == 0
    assert "The worst first" in answer.out
    assert answer.out.splitlines()[-1] == "Every mail had an outcome."


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--corpus", "/nowhere"), 1, "is no folder"),
        (("--corpus", "/", "mail.eml"), 2, "not both"),
        ((), 2, "give a mail and --mailbox"),
        (("mail.eml",), 2, "give a mail and --mailbox"),
    ],
)
def test_what_cannot_be_tried_is_one_line(cli, arguments: tuple[str, ...], code: int, said: str):
    answer = cli.here("simulate", *arguments)
    (line,) = answer.errors
    assert answer.code == code
    assert said in line


def test_an_empty_folder_is_no_success(cli):
    (cli.home / "empty").mkdir()
    answer = cli.here("simulate", "--corpus", str(cli.home / "empty"))
    assert (answer.code, "holds no mail" in answer.errors[0]) == (1, True)
