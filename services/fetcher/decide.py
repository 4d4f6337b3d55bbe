"""What the fetcher decides: where to begin, in which batches, which copy is which, how long to wait. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.fetcher.errors import (
    AuthenticationRejected,
    CertificateRejected,
    EncryptionMissing,
    FolderMissing,
    ServerBroken,
    SignInNeeded,
    Throttled,
)
from services.fetcher.ports import Outline, Selected
from shared.domain import identity
from shared.domain.errors import BrokerUnavailable, ConfigurationError, StoreUnavailable
from shared.domain.mailbox import StartFrom
from shared.domain.mailbox_runtime import Cursor
from shared.domain.sighting import Sight
from shared.domain.sign_in import SignIn

LONGEST_THROTTLE = 3600.0
SIGN_IN_SECONDS = 3600.0
"""How often a mailbox that waits for a person's sign-in says so again. Nobody is asked for a token meanwhile."""
PERSON_SECONDS = 60.0
ASIDE_SECONDS = 3600.0
"""How long a server is left alone that breaks the protocol again and again."""
BREAKS = 5
"""Connections in a row that a server may end so without giving anything."""
OURS_SECONDS = 10.0
"""The longest wait for our own store or broker: the mail server is not to blame and need not be spared."""
MARGIN = timedelta(minutes=15)
"""How far the mail server's clock may be behind ours before an ordinary new mail looks like one that has come back."""
FRESHNESS = timedelta(minutes=10)
"""How old a cursor's `passed_at` may get before it is written anew."""
FEW = 10
"""As many mails in one look are new mail; more are a backlog."""
LEAST = 30
"""Mails of backlogs that may be on the way however slow the stages are: fewer would keep them idle."""
MASS, MASS_SHARE = 50, 5
"""As many mails, and one in so many of the folder: more than both together are a mass."""


def backoff(attempt: int, chance: float, longest: float = 300.0) -> float:
    """Seconds to wait after that many failures in a row (0 is the first): full jitter under 1, 2, 4 ... `longest`.

    `chance` is a random number in [0, 1). Never less than a tenth of a second.
    """
    return max(0.1, min(longest, 2.0 ** min(attempt, 30)) * chance)


def pause(error: Exception, attempt: int, chance: float, after_rejection: float) -> float:
    """Seconds until the next try. A proven rejection waits long, a throttling server says how long.

    What only a person can mend (folder, certificate, secret) is tried about once a minute: a changed configuration
    is tried at once anyway.
    """
    match error:
        case SignInNeeded():
            return SIGN_IN_SECONDS
        case ServerBroken():
            return ASIDE_SECONDS
        case AuthenticationRejected():
            return after_rejection
        case Throttled(seconds=seconds):
            return min(max(seconds, 1.0), LONGEST_THROTTLE)
        case ConfigurationError() | FolderMissing() | CertificateRejected() | EncryptionMissing():
            return PERSON_SECONDS * (0.5 + chance)
        case StoreUnavailable() | BrokerUnavailable():
            return backoff(attempt, chance, OURS_SECONDS)
        case _:
            return backoff(attempt, chance)


def may_go_on(error: Exception, before: SignIn, now: SignIn) -> bool:
    """Whether a mailbox need not wait any longer after this error, because a person has signed in since.

    `before` is how it was signed in when the attempt began that ended so.
    """
    if isinstance(error, SignInNeeded):
        return not now.needed
    return now.first_rev != before.first_rev and not now.needed


def first_cursor(
    folder: str,
    selected: Selected,
    start: StartFrom | date,
    listed: Sequence[int],
    matching: Sequence[int],
    now: datetime,
) -> Cursor:
    """Where a folder begins when it is opened for the first time.

    `listed` are all its UIDs, `matching` those since the date that `start` may be. Mails up to the baseline are left.
    UIDs need not be in the order of dates (a migrated folder), so after a date the first pass looks at each mail's own;
    so it does where UIDNEXT is not above all that is listed: what is above it came meanwhile, or UIDNEXT is not true.
    INTERNALDATE has whole seconds: a mail of the second in which we begin counts as one from then on.
    """
    if start is StartFrom.ALL:
        baseline, since = 0, None
    elif isinstance(start, date):
        baseline = min(matching) - 1 if matching else _newest(selected, listed)
        since = datetime.combine(start, time.min, UTC) - timedelta(days=1)
    else:
        baseline, since = _newest(selected, listed), now.replace(microsecond=0)
    by_date = isinstance(start, date) or (start is StartFrom.NOW and baseline < max(listed, default=0))
    return Cursor(
        folder=folder,
        uid_validity=selected.uid_validity,
        low_water=baseline,
        baseline_uid=baseline,
        baseline_at=since,
        epoch=int(by_date),
    )


def _newest(selected: Selected, listed: Sequence[int]) -> int:
    """The highest UID that was there when the folder was opened. UIDNEXT only says which ones came since: where it is
    too high, all later mail would count as old."""
    newest = max(listed, default=0)
    return min(selected.uid_next - 1, newest) if selected.uid_next else newest


def next_epoch(cursor: Cursor, uid_validity: int) -> Cursor:
    """The cursor when UIDVALIDITY has changed: no UID of the old one means anything.

    One that did not grow, though it must (RFC 9051 section 2.3.1.1), comes of a restored server: sightings that were
    made under it before mean nothing either.
    """
    return cursor.model_copy(
        update={
            "uid_validity": uid_validity,
            "rollbacks": cursor.rollbacks + (0 < uid_validity <= cursor.uid_validity),
            "epoch": cursor.epoch + 1,
            "low_water": 0,
            "baseline_uid": 0,
            "listed": None,
        }
    )


def account(host: str, login: str) -> str:
    """A short name for an account: eight hexadecimal digits of its host and user name."""
    return hashlib.sha256(f"{host}\x00{login}".encode()).hexdigest()[:8]


def of_another_account(cursor: Cursor, folder: str, uid_validity: int, now: datetime) -> Cursor:
    """The cursor of a mailbox that was pointed at another account: mails that arrived since a day ago are taken.

    If it is the same account under a new name, its identity keeps known mails from being taken twice; if it is
    another, its old mail is not imported. A mailbox that takes all mail goes on taking all.
    """
    since = None if cursor.baseline_at is None else max(cursor.baseline_at, now - timedelta(days=1))
    fields = {"folder": folder, "baseline_at": since, "passed_at": None}
    return next_epoch(cursor, uid_validity).model_copy(update=fields)


def went_back(cursor: Cursor, selected: Selected) -> bool:
    """Whether the next UID is one that the server had given already, if it tells the truth."""
    return 0 < selected.uid_next <= cursor.low_water


def renumbered(cursor: Cursor, listed: Sequence[int]) -> Cursor | None:
    """The cursor of a new epoch if mails seem to have new UIDs under the same UIDVALIDITY; None if all is well.

    A deleted uidlist does that: no UID that was there is there any more, and about as many mails have higher ones.
    """
    if not cursor.listed or not listed or min(listed) <= cursor.low_water or 2 * len(listed) < cursor.listed:
        return None
    return cursor.model_copy(update={"epoch": cursor.epoch + 1, "listed": None})


def is_doubtful(cursor: Cursor) -> bool:
    """Whether mails that are known may stand under new UIDs: until the first complete pass of a later epoch."""
    return cursor.epoch > 0 and cursor.listed is None


def is_earlier(cursor: Cursor, arrived: datetime) -> bool:
    """Whether a mail under a new UID was there before the first connection."""
    return cursor.baseline_at is not None and arrived < cursor.baseline_at


def is_old(cursor: Cursor, uid: int, sight: Sight | None) -> bool:
    """Whether a UID that is listed is of a mail from before the mailbox began that has no outcome. `sight` is what it
    has been sighted as."""
    return sight is Sight.EARLIER or (sight is None and uid <= cursor.baseline_uid)


def has_come_back(cursor: Cursor, arrived: datetime) -> bool:
    """Whether a mail that is new to us had arrived before a complete pass: that pass should have seen it."""
    return cursor.passed_at is not None and arrived < cursor.passed_at


def passed(cursor: Cursor, began: datetime) -> datetime | None:
    """The `passed_at` after a complete pass that began then; not changed for every pass, since it is written."""
    at = began - MARGIN
    return at if cursor.passed_at is None or at - cursor.passed_at >= FRESHNESS else cursor.passed_at


def righted(cursor: Cursor, now: datetime) -> Cursor:
    """The cursor without a `passed_at` that lies ahead: whoever wrote it had a wrong clock, and by it every mail that
    arrives would have come back."""
    ahead = cursor.passed_at is not None and cursor.passed_at > now
    return cursor.model_copy(update={"passed_at": None}) if ahead else cursor


def is_mass(mails: int, listed: int) -> bool:
    """Whether so many mails that have come back are more than people move around."""
    return mails > max(MASS, listed // MASS_SHARE)


@dataclass(frozen=True, slots=True)
class Batch:
    """UIDs to fetch in one command, and their size together in bytes. `start_only`: one mail beyond the cap."""

    uids: tuple[int, ...]
    size: int
    start_only: bool = False


def plan(
    outlines: Iterable[Outline], alone: Collection[int], *, most: Callable[[], int], most_bytes: int, cap: int
) -> Iterator[Batch]:
    """Batches of at most `most` mails (asked for each) and `most_bytes` (one mail may be more), in UID order.

    Mails in `alone` come last, one by one: they failed before. A mail over `cap` bytes is fetched by its start.
    """
    waiting: list[Outline] = []
    last: list[Batch] = []
    for one in sorted(outlines, key=lambda outline: outline.uid):
        if one.uid in alone or one.size > cap:
            last.append(Batch((one.uid,), min(one.size, cap), one.size > cap))
            continue
        if waiting and (len(waiting) >= most() or sum(other.size for other in waiting) + one.size > most_bytes):
            yield _batch(waiting)
            waiting = []
        waiting.append(one)
    if waiting:
        yield _batch(waiting)
    yield from last


def _batch(outlines: Sequence[Outline]) -> Batch:
    return Batch(tuple(one.uid for one in outlines), sum(one.size for one in outlines))


def room(now: float, among: int, shortest: float, longest: float, wanted: float, most: int) -> float:
    """How many mails of backlogs may be on the way, when it was `now`, and a batch that was published as the last of
    `among` took between `shortest` and `longest` seconds where `wanted` are.

    First in, first out: the stages got through `among` mails in that time. If it was too long, that is all they can;
    if it was not, they may have been idle, and can do more.
    """
    if shortest > wanted:
        aim = among * wanted / shortest
    elif longest < wanted:
        aim = max(now, among * wanted / max(longest, 0.01))
    else:
        return now
    return min(max((now + aim) / 2, LEAST), most)


def copy_numbers(contents: Mapping[int, str], taken: Collection[str]) -> dict[int, int]:
    """The copy number of each UID: the lowest that no copy which is there at the same time has.

    `contents` are content ids by UID, `taken` the mail_ids of the other mails that are in the folder.
    """
    used = set(taken)
    numbers: dict[int, int] = {}
    for uid in sorted(contents):
        number = 0
        while (mail := identity.mail_id(contents[uid], number)) in used:
            number += 1
        used.add(mail)
        numbers[uid] = number
    return numbers


class Progress:
    """How far a pass has come: `low_water` is the highest UID up to which every listed one is settled."""

    def __init__(self, low_water: int, outstanding: Sequence[int], top: int) -> None:
        self._outstanding = sorted(outstanding)
        self._settled: set[int] = set()
        self._at = 0
        self._top = max(low_water, top)
        self._low_water = low_water

    @property
    def low_water(self) -> int:
        """Never moves backwards."""
        while self._at < len(self._outstanding) and self._outstanding[self._at] in self._settled:
            self._at += 1
        reached = self._top if self._at == len(self._outstanding) else self._outstanding[self._at] - 1
        self._low_water = max(self._low_water, reached)
        return self._low_water

    @property
    def left(self) -> int:
        """How many are not settled yet."""
        return len(self._outstanding) - len(self._settled)

    @property
    def unsettled(self) -> list[int]:
        """Which are not settled yet, ascending."""
        return [uid for uid in self._outstanding if uid not in self._settled]

    def settle(self, uids: Iterable[int]) -> None:
        """These have a durable sighting now."""
        self._settled.update(uids)


def fair_share(mailboxes: int, live: Collection[str], fetcher: str) -> int:
    """How many mailboxes this one of the live fetchers should hold. All shares together are the mailboxes: nobody
    looks for one more where there is none. Those whose names come first have the odd ones."""
    names = sorted({*live, fetcher})
    each, odd = divmod(mailboxes, len(names))
    return each + (names.index(fetcher) < odd)
