"""The first span of each mail's trace, where tracing is on."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from shared.contracts.messages import EmailFetched
from shared.observability.tracing import Tracing


@contextmanager
def fetched(tracing: Tracing | None, messages: Sequence[EmailFetched]) -> Generator[None]:
    """Mails that are ours since `fetched_at`, until they are published. `mail_automator.age_seconds` is how long they
    lay on their server."""
    if tracing is None:
        yield
        return
    spans = [
        tracing.begin(
            "fetch",
            "fetch",
            one.mail_id,
            {
                "mail_automator.mailbox": one.mailbox,
                "mail_automator.size": one.size,
                "mail_automator.age_seconds": max(0.0, (one.fetched_at - one.received_at).total_seconds()),
                "mail_automator.imported": one.imported,
            },
            since=one.fetched_at,
        )
        for one in messages
    ]
    error = ""
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        for span in spans:
            span.end(error=error)
