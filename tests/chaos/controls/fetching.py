"""What makes a mail ours, once, and lets the cursor pass it."""

from tests.chaos.controls.control import Control, Patch

NO_FULL_RECONCILE = Patch("services/fetcher/handler.py", "began = self.now()", "began, full = self.now(), False")
FENCED = "        return await self._save((is_of(mailbox, lease), changed({field: cursor.model_dump()})))\n"

CONTROLS = (
    Control(
        "cursor-before-sighting",
        "the cursor passes mails before they are ours, and no folder is searched as a whole, which would find them",
        (
            Patch(
                "services/fetcher/handler.py",
                "        doubtful = back or decide.is_doubtful(self.cursor)\n",
                "        doubtful = back or decide.is_doubtful(self.cursor)\n"
                "        progress.settle([one.uid for one in mails])\n"
                "        await self._advance(progress, {})\n",
            ),
            NO_FULL_RECONCILE,
        ),
        "W3",
        "lost I1 ",
    ),
    Control(
        "low-water-from-uidnext",
        "the cursor goes to the newest UID there is, and no folder is searched as a whole",
        (
            Patch(
                "services/fetcher/decide.py",
                "reached = self._top if self._at == len(self._outstanding) else self._outstanding[self._at] - 1",
                "reached = self._top",
            ),
            NO_FULL_RECONCILE,
        ),
        "W3",
        "lost I1 ",
    ),
    Control(
        "uid-as-key",
        "a mail's identity is (UIDVALIDITY, UID), and headers recognise nothing",
        (
            Patch(
                "services/fetcher/intake.py",
                "identity.content_id(place.mailbox, one.internal_date, one.raw) for one in mails}",
                'identity.content_id(place.mailbox, one.internal_date, f"{place.uid_validity}/{one.uid}".encode())\n'
                "            for one in mails\n"
                "        }",
            ),
            Patch(
                "services/fetcher/intake.py",
                "        known = await self.books.ledger.contents_of(tuple(set(outlines.values())))\n",
                "        known: dict[str, str] = {}\n",
            ),
        ),
        "S16",
        "doubled I1 ",
    ),
    Control(
        "no-fencing-token",
        "a fetcher that slept through its lease may write the cursor",
        (Patch("shared/store/runtime.py", FENCED, FENCED.replace("is_of(mailbox, lease)", '{"_id": mailbox}')),),
        "tests/e2e/test_leases.py::test_a_fetcher_that_slept_through_its_lease_writes_no_cursor_and_doubles_nothing",
        r"assert after\.low_water == cursor\.low_water",
    ),
)
