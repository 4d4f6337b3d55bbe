"""Whether a mailbox arrived, from what a fetcher reported before and after."""

from datetime import timedelta

import pytest

from services.console.configuration.arrival import judge
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from tests.support.builders import AT

LATER = AT + timedelta(seconds=5)


def status(state: Phase, **more) -> MailboxStatus:
    return MailboxStatus(**{"state": state, "since": AT, "sentence": "why", **more})


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        (None, None, None),
        (status(Phase.CONNECTING), None, None),
        (status(Phase.FETCHING, connected_at=AT), None, ""),
        (status(Phase.IDLE, connected_at=AT), status(Phase.IDLE, connected_at=AT), None),
        (status(Phase.IDLE, connected_at=LATER), status(Phase.IDLE, connected_at=AT), ""),
        (status(Phase.NEEDS_ATTENTION), None, "why"),
        (status(Phase.BACKOFF), status(Phase.BACKOFF), None),
        (status(Phase.BACKOFF, since=LATER), status(Phase.BACKOFF), "why"),
        (status(Phase.BACKOFF, since=LATER, connected_at=LATER), status(Phase.IDLE), "why"),
        (status(Phase.STOPPED, connected_at=AT), None, None),
    ],
)
def test_only_what_was_not_reported_before_counts(now, before, verdict) -> None:
    assert judge(now, before) == verdict
