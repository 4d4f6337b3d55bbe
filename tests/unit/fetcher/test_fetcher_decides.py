"""What the fetcher decides, without a server."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher import decide
from services.fetcher.decide import Batch, Progress
from services.fetcher.errors import (
    AuthenticationRejected,
    CertificateRejected,
    FolderMissing,
    NetworkTrouble,
    SignInNeeded,
    Throttled,
)
from services.fetcher.ports import Outline, Selected
from shared.domain.errors import ConfigurationError
from shared.domain.identity import mail_id
from shared.domain.mailbox import StartFrom
from shared.domain.mailbox_runtime import Cursor
from shared.domain.sighting import Sight
from shared.domain.sign_in import Lack, SignIn

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BOX = Selected(uid_validity=7, exists=3, uid_next=31, read_only=False)


@pytest.mark.parametrize(
    ("uid", "sight", "old"),
    [
        (30, None, True),
        (31, None, False),
        (30, Sight.MAIL, False),
        (30, Sight.HOLE, False),
        (30, Sight.VANISHED, False),
        (99, Sight.EARLIER, True),
    ],
)
def test_old_is_what_a_mailbox_left_when_it_began_and_nobody_imported(uid: int, sight: Sight | None, old: bool) -> None:
    assert decide.is_old(first(StartFrom.NOW, []), uid, sight) is old


def first(start: StartFrom | date, matching: list[int], selected: Selected = BOX) -> Cursor:
    return decide.first_cursor("INBOX", selected, start, [10, 20, 30], matching, NOW)


def test_from_now_leaves_everything_below_uidnext() -> None:
    assert first(StartFrom.NOW, []).low_water == 30
    assert first(StartFrom.NOW, []).baseline_at == NOW


def test_a_mail_of_the_second_in_which_we_begin_is_not_from_before() -> None:
    """INTERNALDATE has whole seconds; after a new UIDVALIDITY that mail would be left for ever."""
    began = NOW.replace(microsecond=999_999)
    cursor = decide.first_cursor("INBOX", BOX, StartFrom.NOW, [], [], began)
    assert not decide.is_earlier(cursor, began.replace(microsecond=0))
    assert decide.is_earlier(cursor, began.replace(microsecond=0) - timedelta(seconds=1))


def test_from_now_on_a_server_without_uidnext_leaves_what_is_listed() -> None:
    assert first(StartFrom.NOW, [], Selected(7, 3, 0, False)).low_water == 30


def test_all_leaves_nothing() -> None:
    cursor = first(StartFrom.ALL, [])
    assert (cursor.low_water, cursor.baseline_uid, cursor.baseline_at) == (0, 0, None)


@pytest.mark.parametrize(("matching", "baseline"), [([20, 30], 19), ([], 30)])
def test_since_a_date_begins_with_the_first_that_matches(matching: list[int], baseline: int) -> None:
    assert first(date(2026, 2, 1), matching).baseline_uid == baseline


@pytest.mark.parametrize(
    ("listed", "doubtful"), [([], False), ([1, 40], False), ([40], False), ([40, 50], True), ([40, 50, 60, 70], True)]
)
def test_many_new_uids_and_no_old_one_means_renumbered(listed: list[int], doubtful: bool) -> None:
    cursor = Cursor(folder="INBOX", uid_validity=7, low_water=30, listed=3)
    moved = decide.renumbered(cursor, listed)
    assert (moved is not None) == doubtful
    assert moved is None or decide.is_doubtful(moved)


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_back_off_is_never_nothing_and_never_over_five_minutes(attempt: int, chance: float) -> None:
    assert 0.1 <= decide.backoff(attempt, chance) <= 300


def test_back_off_grows_with_every_failure() -> None:
    assert [decide.backoff(attempt, 0.5) for attempt in range(4)] == [0.5, 1, 2, 4]


def test_only_a_rejected_login_waits_long_and_a_throttling_server_says_how_long() -> None:
    assert decide.pause(AuthenticationRejected("no"), 0, 0.5, 900) == 900
    assert decide.pause(SignInNeeded("no"), 0, 0.5, 900) == 3600
    assert decide.pause(Throttled("slow", seconds=42), 0, 0.5, 900) == 42
    assert decide.pause(Throttled("slow", seconds=1e9), 0, 0.5, 900) == 3600
    assert decide.pause(NetworkTrouble("gone"), 0, 0.5, 900) < 1


def test_what_only_a_person_can_mend_is_tried_about_once_a_minute() -> None:
    for error in (
        FolderMissing("no such folder", folders=("INBOX",)),
        CertificateRejected("expired"),
        ConfigurationError("no secret"),
    ):
        assert decide.pause(error, 0, 0.0, 900) == 30
        assert decide.pause(error, 9, 0.5, 900) == 60


def outline(uid: int, size: int = 10) -> Outline:
    return Outline(uid, size, NOW)


def test_batches_hold_so_many_mails_and_bytes_and_troubled_ones_come_last_and_alone() -> None:
    outlines = [outline(1), outline(2), outline(3), outline(4, 95), outline(5), outline(6, 1000), outline(7)]
    batches = list(decide.plan(outlines, {2}, most=lambda: 2, most_bytes=100, cap=500))
    assert batches == [
        Batch((1, 3), 20),
        Batch((4,), 95),
        Batch((5, 7), 20),
        Batch((2,), 10),
        Batch((6,), 500, start_only=True),
    ]


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 300)), unique_by=lambda pair: pair[0]))
def test_every_mail_is_in_exactly_one_batch(pairs: list[tuple[int, int]]) -> None:
    batches = decide.plan([outline(*pair) for pair in pairs], set(), most=lambda: 5, most_bytes=400, cap=250)
    assert sorted(uid for batch in batches for uid in batch.uids) == sorted(uid for uid, _ in pairs)


def test_copies_are_numbered_in_uid_order_after_those_that_are_there() -> None:
    assert decide.copy_numbers({9: "a", 3: "a", 5: "b"}, set()) == {3: 0, 9: 1, 5: 0}
    assert decide.copy_numbers({9: "a"}, {mail_id("a", 0)}) == {9: 1}
    assert decide.copy_numbers({9: "a"}, {mail_id("a", 1)}) == {9: 0}


@given(st.sets(st.integers(1, 60)), st.data())
def test_the_low_water_mark_never_passes_an_unsettled_uid_and_never_falls(
    listed: set[int], data: st.DataObject
) -> None:
    progress = Progress(0, sorted(listed), max(listed, default=0))
    left, before = set(listed), 0
    while left:
        some = data.draw(st.sets(st.sampled_from(sorted(left)), min_size=1))
        progress.settle(some)
        left -= some
        assert before <= progress.low_water <= min(left, default=60) - (1 if left else 0)
        before = progress.low_water
    assert progress.low_water == max(listed, default=0)


GOOD, NONE = SignIn(rev=7, first_rev=7), SignIn(lack=Lack(sentence="x", remedy="y"))
REFUSED = GOOD.model_copy(update={"lack": NONE.lack})


@pytest.mark.parametrize(
    ("error", "before", "now", "goes_on"),
    [
        (SignInNeeded("no"), NONE, NONE, False),
        (SignInNeeded("no"), NONE, GOOD, True),
        (SignInNeeded("no"), GOOD, REFUSED, False),
        (SignInNeeded("no"), REFUSED, GOOD, True),
        (AuthenticationRejected("no"), GOOD, GOOD.model_copy(update={"rev": 8}), False),
        (AuthenticationRejected("no"), GOOD, GOOD.model_copy(update={"rev": 9, "first_rev": 9}), True),
        (AuthenticationRejected("no"), GOOD, NONE, False),
    ],
)
def test_a_mailbox_goes_on_when_a_person_has_signed_in_and_not_when_a_token_was_renewed(
    error: Exception, before: SignIn, now: SignIn, goes_on: bool
) -> None:
    assert decide.may_go_on(error, before, now) is goes_on


@pytest.mark.parametrize(
    ("mailboxes", "fetchers", "shares"), [(3, 1, [3]), (3, 2, [2, 1]), (0, 2, [0, 0]), (1, 3, [1, 0, 0])]
)
def test_mailboxes_are_shared_fairly_and_all_shares_together_are_the_mailboxes(
    mailboxes: int, fetchers: int, shares: list[int]
) -> None:
    live = [f"f{number}" for number in range(fetchers)]
    assert [decide.fair_share(mailboxes, live, one) for one in live] == shares


def test_a_fetcher_that_the_store_has_forgotten_counts_itself() -> None:
    assert decide.fair_share(7, [], "here") == 7
    assert decide.fair_share(7, ["there"], "here") == 4
