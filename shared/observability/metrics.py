"""The metric catalogue: every metric of every process, in one place, each with its help text and who exposes it.

Labels are bounded: stages, outcomes and reason codes are enums, `mailbox` is an administrator's slug and has a cap.
Never an address, an id or a subject. Names and units follow Prometheus' naming practices. docs/reference/metrics.md is
written from here. Long, because a reader looks for all metrics in one file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from shared.observability.mailbox_series import MOST, Fold, MailboxCounter, MailboxGauge, Shown

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGE_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400)

FETCHER: Final = "fetcher"
BOOKKEEPER: Final = "bookkeeper"
NOTIFIER: Final = "notifier"
CONSOLE: Final = "console"
FILTER, CLASSIFIER, WRITER = "filter", "classifier", "ticket_writer"
STAGES: Final = (FILTER, CLASSIFIER, WRITER)
WORKERS: Final = (FETCHER, *STAGES, NOTIFIER, BOOKKEEPER)
"""What stands on the broker and follows the configuration."""
SERVICES: Final = (*WORKERS, CONSOLE)


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric as the documentation shows it. `services` are those that expose it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    services: tuple[str, ...]


class Metrics:
    """One process' metrics, in a registry of its own: what its service exposes, and everything for any other name.

    What is not exposed can be set all the same, and is heard by nobody. `mailboxes` may have series of their own.
    """

    def __init__(self, service: str, version: str, mailboxes: int = MOST) -> None:
        disable_created_metrics()  # a `_created` series beside each would double them for nothing
        self._service = service
        self.registry = CollectorRegistry()
        self.declared: list[Declared] = []
        self.shown = Shown(mailboxes)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._process(version)
        self._stages()
        self._broker()
        self._store()
        self._mailboxes()
        self._books()
        self._acknowledgements()
        self._console()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _process(self, version: str) -> None:
        name, text = "mail_automator_build", "Version and service of this process; always 1."
        self.build = Info(name, text, registry=self.registry)
        self.build.info({"service": self._service, "version": version})
        self.declared.append(Declared(f"{name}_info", "gauge", ("service", "version"), text, SERVICES))
        self.heartbeat = self._gauge(
            "mail_automator_heartbeat_timestamp_seconds",
            "Unix time at which a work loop last ticked.",
        )
        self.work_loops_hung = self._gauge(
            "mail_automator_work_loops_hung",
            "Work loops that do not get on; /livez fails while there is one, and names it.",
        )
        self.part_ready = self._gauge(
            "mail_automator_ready",
            "1 while this process has what it needs (store, broker, store_indexes, api), else 0; /readyz is the sum.",
            "part",
        )
        self.held = self._gauge(
            "mail_automator_work_held",
            "1 while this process takes no work because the store lost a guarantee (an index is gone), else 0.",
            of=WORKERS,
        )
        self.held.set(0)
        self.config_generation = self._gauge(
            "mail_automator_config_generation", "Generation of the configuration this process works under.", of=WORKERS
        )
        self.config_read = self._gauge(
            "mail_automator_config_read_timestamp_seconds",
            "Unix time at which this process last saw which generation of the configuration is the newest.",
            of=WORKERS,
        )
        self.mailboxes_folded = self._gauge(
            "mail_automator_mailboxes_folded",
            "Mailboxes without series of their own, beyond MAIL_AUTOMATOR_METRICS_MAILBOXES: they share "
            '`mailbox="_other"`.',
            of=WORKERS,
        )

    def _stages(self) -> None:
        self.received = self._counter(
            "mail_automator_received_total",
            "Messages a stage has taken from its queue, those delivered again included.",
            "stage",
            of=STAGES,
        )
        self.messages = self._counter(
            "mail_automator_messages_total",
            "Mails a stage has finished with, by outcome and reason code.",
            "stage",
            "outcome",
            "reason",
            of=(FETCHER, *STAGES),
        )
        self.stage_duration = self._histogram(
            "mail_automator_stage_duration_seconds",
            "Time one micro-batch spent in a stage, from taking it to its last acknowledgement.",
            "stage",
            of=STAGES,
        )
        self.batch_size = self._histogram(
            "mail_automator_batch_size_messages",
            "Mails per micro-batch.",
            "stage",
            of=STAGES,
            buckets=(1, 2, 5, 10, 20, 50, 100),
        )
        self.message_age = self._histogram(
            "mail_automator_message_age_seconds",
            "Age of a mail when a stage finished with it, counted from its arrival at the mail server (INTERNALDATE). "
            "Imported mail is left out.",
            "stage",
            of=(FETCHER, *STAGES),
            buckets=_AGE_SECONDS,
        )
        self.outcome_age = self._histogram(
            "mail_automator_outcome_age_seconds",
            "Age of a mail at its outcome (ticket, reply, duplicate, rejected, quarantined), from its arrival at the "
            "mail server: the service level. Not counted: replays, and mail that was a day old when it was fetched.",
            "outcome",
            of=STAGES,
            buckets=_AGE_SECONDS,
        )
        self.in_flight = self._gauge(
            "mail_automator_in_flight", "Messages this process holds and has not acknowledged.", "stage", of=STAGES
        )
        self.last_finished = self._gauge(
            "mail_automator_stage_last_finished_timestamp_seconds",
            "Unix time at which a stage last finished with a mail, whatever came of it.",
            "stage",
            of=STAGES,
        )
        self.retries = self._counter(
            "mail_automator_retries_total", "Mails put off by a transient error.", "stage", "reason", of=STAGES
        )
        self.redelivered = self._counter(
            "mail_automator_redelivered_total",
            "Messages that the broker delivered to a stage again.",
            "stage",
            of=STAGES,
        )
        self.quarantined = self._counter(
            "mail_automator_quarantined_total",
            "Mails put into quarantine.",
            "stage",
            "reason",
            of=(*STAGES, BOOKKEEPER),
        )
        self.dead_letters = self._counter(
            "mail_automator_dead_letters_total",
            "Messages refused because they are not of the contract, or dead-lettered by the broker.",
            "stage",
            "reason",
            of=(*STAGES, NOTIFIER, BOOKKEEPER),
        )
        self.parsers = self._gauge("mail_automator_parser_processes", "Parser processes there may be.", of=(FILTER,))
        self.parsers_busy = self._gauge(
            "mail_automator_parser_processes_busy", "Parser processes that are at a mail.", of=(FILTER,)
        )
        self.parser_deaths = self._counter(
            "mail_automator_parser_deaths_total",
            "Parser processes that died, or were killed, over a mail.",
            of=(FILTER,),
        )
        self.tickets_created = self._counter(
            "mail_automator_tickets_created_total", "Tickets and requests opened.", "module", of=(WRITER,)
        )
        self.articles_appended = self._counter(
            "mail_automator_articles_appended_total",
            "Mails appended to tickets, by kind (reply or note) and by what named the ticket.",
            "kind",
            "matched_by",
            of=(WRITER,),
        )
        self.reply_waits = self._counter(
            "mail_automator_reply_waits_total",
            "Times a mail was looked at and had to wait because the one it answers was still in flight.",
            of=(WRITER,),
        )

    def _broker(self) -> None:
        self.publishes = self._counter(
            "mail_automator_publish_total",
            "Messages published, by exchange and result (confirmed or failed).",
            "exchange",
            "result",
            of=WORKERS,
        )
        self.publish_duration = self._histogram(
            "mail_automator_publish_duration_seconds",
            "Time from sending a burst of messages to its last confirm.",
            of=WORKERS,
        )
        self.queue_messages = self._gauge(
            "mail_automator_queue_messages",
            "Messages that lie ready in a queue, as the broker says; missing while it does not answer.",
            "queue",
            of=(BOOKKEEPER,),
        )
        self.queue_consumers = self._gauge(
            "mail_automator_queue_consumers",
            "Consumers of a queue, as the broker says; missing while it does not answer.",
            "queue",
            of=(BOOKKEEPER,),
        )

    def _store(self) -> None:
        self.store_commands = self._counter(
            "mail_automator_store_commands_total",
            "Commands sent to the store, each one round trip, by collection (empty: none) and command.",
            "collection",
            "command",
        )
        self.store_seconds = self._counter(
            "mail_automator_store_command_seconds_total",
            "Seconds in which the store's answers were waited for, by collection and command.",
            "collection",
            "command",
        )

    def _mailboxes(self) -> None:
        self.mailbox_active = self._mailbox_gauge(
            "mail_automator_mailbox_active",
            "1 while the mailbox is to be read: enabled, and not paused by an operator; else 0. `_other`: how many.",
            of=BOOKKEEPER,
            fold=sum,
        )
        self.mailboxes_read = self._gauge(
            "mail_automator_mailboxes_read", "Mailboxes that this fetcher holds the lease of.", of=(FETCHER,)
        )
        self.mailbox_up = self._mailbox_gauge(
            "mail_automator_mailbox_up", "1 while the mailbox is connected and logged in, else 0.", fold=min
        )
        self.mailbox_last_success = self._mailbox_gauge(
            "mail_automator_mailbox_last_success_timestamp_seconds",
            "Unix time of the mailbox's last complete pass.",
            fold=min,
        )
        self.mailbox_pass_duration = self._histogram(
            "mail_automator_mailbox_poll_duration_seconds",
            "Time of one pass over a mailbox: search, fetch, store, publish.",
            of=(FETCHER,),
            buckets=_AGE_SECONDS,
        )
        self.mailbox_lag = self._mailbox_gauge(
            "mail_automator_mailbox_lag_messages",
            "Mails on the server that the last look saw and that are not ours yet.",
            fold=sum,
        )
        self.mailbox_auth_failures = self._mailbox_counter(
            "mail_automator_mailbox_auth_failures_total", "Logins the server or identity provider refused."
        )
        self.mailbox_auth_rejected = self._mailbox_gauge(
            "mail_automator_mailbox_auth_rejected",
            "1 since the mail server or the identity provider refused the last sign-in, 0 since one worked.",
            fold=max,
        )
        self.mailbox_sign_in_needed = self._mailbox_gauge(
            "mail_automator_mailbox_sign_in_needed",
            "1 while somebody must sign in to Microsoft (again) before the mailbox can be read, else 0.",
            fold=max,
        )
        self.oauth_token_expiry = self._mailbox_gauge(
            "mail_automator_oauth_token_expiry_timestamp_seconds",
            "Unix time at which the mailbox's access token expires; a new one is fetched five minutes before.",
            fold=min,
        )
        self.credential_expiry = self._mailbox_gauge(
            "mail_automator_credential_expiry_timestamp_seconds",
            "Unix time at which the mail server's certificate, or the client secret as configured, ends.",
            "credential",
            fold=min,
        )
        self.imap_reconnects = self._counter(
            "mail_automator_imap_reconnects_total",
            "IMAP connections made again, by what ended the last.",
            "reason",
            of=(FETCHER,),
        )
        self.mails_fetched = self._mailbox_counter("mail_automator_mails_fetched_total", "Mails fetched and made ours.")
        self.mailbox_reappeared = self._mailbox_counter(
            "mail_automator_mailbox_reappeared_total",
            "Mails that had arrived before and came back under new UIDs: recognised by_headers without a download, "
            "by_identity after it, or unknown and taken as new.",
            "how",
        )
        self.mailbox_paced = self._mailbox_gauge(
            "mail_automator_mailbox_paced",
            "1 while a mailbox has had its bytes of the hour and the rest of its mail waits on the server.",
            fold=max,
        )
        self.mailbox_held = self._mailbox_gauge(
            "mail_automator_mailbox_reappeared_held",
            "Mails that came back, are unknown, and wait for a person (mailbox accept-reappearance); must be 0.",
            fold=sum,
        )
        self.mailbox_untaken = self._mailbox_counter(
            "mail_automator_mailbox_untaken_total",
            "UIDs that are no mail of ours: hole (the server does not give it), vanished (gone before it was fetched), "
            "earlier (arrived before the mailbox was connected).",
            "state",
        )

    def _books(self) -> None:
        self.books = self._mailbox_gauge(
            "mail_automator_books_mails",
            "Mails in the ledger by mailbox and outcome; outcome `unaccounted` must be 0. Deleted mailboxes are part "
            "of `_other`.",
            "outcome",
            of=BOOKKEEPER,
            fold=sum,
        )
        self.unfinished_oldest = self._gauge(
            "mail_automator_unfinished_oldest_seconds",
            "How long the oldest mail without an outcome has been in the ledger; 0 if there is none.",
            of=(BOOKKEEPER,),
        )
        self.outbox_pending = self._gauge(
            "mail_automator_outbox_pending",
            "Events that are owed for longer than a healthy stage needs to publish them.",
            of=(BOOKKEEPER,),
        )
        self.republished = self._counter(
            "mail_automator_republished_total",
            "Unfinished mails put back at the start of the belt.",
            "reason",
            of=(BOOKKEEPER,),
        )
        self.expired = self._counter(
            "mail_automator_expired_total",
            "What was deleted at the end of its retention: raw mails, traces, what ledger rows tell, audit records.",
            "part",
            of=(BOOKKEEPER,),
        )

    def _acknowledgements(self) -> None:
        of = (NOTIFIER,)
        self.acknowledgements = self._counter(
            "mail_automator_acknowledgements_total",
            "Acknowledgements by the state they came to and its reason code.",
            "state",
            "reason",
            of=of,
        )
        self.acknowledgements_now = self._gauge(
            "mail_automator_acknowledgements_now",
            "Acknowledgements in the store by state; `unknown` are those that a person should look at.",
            "state",
            of=of,
        )
        self.acknowledgements_oldest = self._gauge(
            "mail_automator_acknowledgements_oldest_pending_seconds",
            "Age of the oldest acknowledgement that waits to be sent; 0 if none does.",
            of=of,
        )
        self.acknowledgement_breaker = self._gauge(
            "mail_automator_acknowledgement_breaker_open",
            "1 while a budget of this scope is spent and no acknowledgement of its kind is sent, until the hour ends.",
            "scope",
            of=of,
        )
        self.smtp_up = self._mailbox_gauge(
            "mail_automator_smtp_up",
            "1 while the last sign-in to the mailbox's SMTP server worked, else 0.",
            of=NOTIFIER,
            fold=min,
        )
        self.smtp_failures = self._mailbox_counter(
            "mail_automator_smtp_failures_total",
            "What went wrong between us and the mailbox's SMTP server.",
            "reason",
            of=NOTIFIER,
        )

    def _console(self) -> None:
        self.http_requests = self._counter(
            "mail_automator_http_requests_total",
            "Requests answered by the console, by route as declared (`none`: no route) and status.",
            "method",
            "route",
            "status",
            of=(CONSOLE,),
        )
        self.http_duration = self._histogram(
            "mail_automator_http_request_duration_seconds",
            "Time to the last byte of an answer, of the API and of the pages; streams that stay open not counted.",
            "area",
            of=(CONSOLE,),
        )

    def _where(
        self, name: str, kind: str, labels: Sequence[str], text: str, of: tuple[str, ...]
    ) -> CollectorRegistry | None:
        self.declared.append(Declared(name, kind, tuple(labels), text, of))
        return self.registry if self._service in of or self._service not in SERVICES else None

    def _counter(self, name: str, text: str, *labels: str, of: tuple[str, ...] = SERVICES) -> Counter:
        return Counter(name, text, labels, registry=self._where(name, "counter", labels, text, of))

    def _gauge(self, name: str, text: str, *labels: str, of: tuple[str, ...] = SERVICES) -> Gauge:
        return Gauge(name, text, labels, registry=self._where(name, "gauge", labels, text, of))

    def _histogram(
        self, name: str, text: str, *labels: str, of: tuple[str, ...], buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._where(name, "histogram", labels, text, of))

    def _mailbox_gauge(self, name: str, text: str, *labels: str, fold: Fold, of: str = FETCHER) -> MailboxGauge:
        where = self._where(name, "gauge", ("mailbox", *labels), text, (of,))
        return MailboxGauge(name, text, labels, self.shown, where, fold)

    def _mailbox_counter(self, name: str, text: str, *labels: str, of: str = FETCHER) -> MailboxCounter:
        where = self._where(name, "counter", ("mailbox", *labels), text, (of,))
        return MailboxCounter(name, text, labels, self.shown, where)
