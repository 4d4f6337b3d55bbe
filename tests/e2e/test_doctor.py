"""`doctor` on a whole running system: everything is well, and the bundle has what each process says of itself."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.support.canary import check, secret
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

COUNTING = {**QUICK, "MAIL_AUTOMATOR_BOOKKEEPER_BOOKS_SECONDS": "1"}


async def test_a_system_that_is_well_passes_every_check_and_tells_how_it_is(tmp_path: Path, rabbitmq_url: str) -> None:
    async with pipeline(
        tmp_path, {"support": secret()}, environ=COUNTING, tap=False, broker_url=rabbitmq_url
    ) as running:
        await running.add_mailbox("support", "support")
        running.dovecot.deliver("support", mail(sender="ann@people.example", subject="Printer on fire"))
        await running.settled("support", 1)

        async def counted() -> bool:
            return await running.store.statistics.books() is not None

        await eventually(counted)
        file = tmp_path / "bundle.tar.gz"
        code, out, err = await running.command("-o", "json", "doctor", "--bundle", str(file))
        assert {one["state"] for one in json.loads(out)} == {"ok"}, out
        assert code == 0, err
    with tarfile.open(file) as bundle:
        texts = {one.name: bundle.extractfile(one).read().decode() for one in bundle.getmembers()}  # type: ignore[union-attr]
    whole = "\n".join(texts.values())
    check(whole, "a support bundle")
    assert "ann@" not in whole
    assert "Printer" not in whole
    names = {name.rpartition("/")[2] for name in texts}
    assert {f"{service}-0-metrics.txt" for service in ("fetcher", "bookkeeper", "console")} <= names
    assert "mail_automator_books" in texts["mail-automator-support/services/bookkeeper-0-metrics.txt"]
