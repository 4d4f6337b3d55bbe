"""The metric catalogue: every metric of every process, in one place, each with its help text.

Labels are bounded: stages, outcomes and reason codes are enums, `mailbox` is an administrator's slug. Never an
address, an id or a subject. Names and units follow Prometheus' naming practices.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AGE_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """One process' metrics, in a registry of its own."""

    def __init__(self, service: str, version: str) -> None:
        disable_created_metrics()  # a `_created` series beside each would double them for nothing
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.build = Info("mail_automator_build", "Version and service of this process.", registry=registry)
        self.build.info({"service": service, "version": version})
        self.messages = Counter(
            "mail_automator_messages_total",
            "Mails a stage has finished with, by outcome and reason code.",
            ("stage", "outcome", "reason"),
            registry=registry,
        )
        self.stage_duration = Histogram(
            "mail_automator_stage_duration_seconds",
            "Time one micro-batch spent in a stage, from taking it to its last acknowledgement.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "mail_automator_batch_size_messages",
            "Mails per micro-batch.",
            ("stage",),
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=registry,
        )
        self.message_age = Histogram(
            "mail_automator_message_age_seconds",
            "Age of a mail when a stage finished with it, counted from its arrival at the mail server (INTERNALDATE). "
            "Imported mail is left out.",
            ("stage",),
            buckets=_AGE_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "mail_automator_in_flight",
            "Messages this process holds and has not acknowledged.",
            ("stage",),
            registry=registry,
        )
        self.publishes = Counter(
            "mail_automator_publish_total",
            "Messages published, by exchange and result (confirmed or failed).",
            ("exchange", "result"),
            registry=registry,
        )
        self.publish_duration = Histogram(
            "mail_automator_publish_duration_seconds",
            "Time from sending a burst of messages to its last confirm.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.retries = Counter(
            "mail_automator_retries_total",
            "Mails put off by a transient error.",
            ("stage", "reason"),
            registry=registry,
        )
        self.quarantined = Counter(
            "mail_automator_quarantined_total", "Mails put into quarantine.", ("stage", "reason"), registry=registry
        )
        self.dead_letters = Counter(
            "mail_automator_dead_letters_total",
            "Messages refused because they are not of the contract, or dead-lettered by the broker.",
            ("stage", "reason"),
            registry=registry,
        )
        self.mailbox_up = Gauge(
            "mail_automator_mailbox_up",
            "1 while the mailbox is connected and logged in, else 0.",
            ("mailbox",),
            registry=registry,
        )
        self.mailbox_last_success = Gauge(
            "mail_automator_mailbox_last_success_timestamp_seconds",
            "Unix time of the mailbox's last complete pass.",
            ("mailbox",),
            registry=registry,
        )
        self.mailbox_pass_duration = Histogram(
            "mail_automator_mailbox_poll_duration_seconds",
            "Time of one pass over a mailbox: search, fetch, store, publish.",
            buckets=_AGE_SECONDS,
            registry=registry,
        )
        self.mailbox_lag = Gauge(
            "mail_automator_mailbox_lag_messages",
            "Mails on the server that the last look saw and that are not ours yet.",
            ("mailbox",),
            registry=registry,
        )
        self.mailbox_auth_failures = Counter(
            "mail_automator_mailbox_auth_failures_total", "Logins the server refused.", ("mailbox",), registry=registry
        )
        self.mailbox_sign_in_needed = Gauge(
            "mail_automator_mailbox_sign_in_needed",
            "1 while somebody must sign in to Microsoft (again) before the mailbox can be read, else 0.",
            ("mailbox",),
            registry=registry,
        )
        self.oauth_token_expiry = Gauge(
            "mail_automator_oauth_token_expiry_timestamp_seconds",
            "Unix time at which the mailbox's access token expires; a new one is fetched five minutes before.",
            ("mailbox",),
            registry=registry,
        )
        self.credential_expiry = Gauge(
            "mail_automator_credential_expiry_timestamp_seconds",
            "Unix time at which the mail server's certificate, or the client secret as configured, ends.",
            ("mailbox", "credential"),
            registry=registry,
        )
        self.imap_reconnects = Counter(
            "mail_automator_imap_reconnects_total",
            "IMAP connections made again, by what ended the last.",
            ("reason",),
            registry=registry,
        )
        self.mails_fetched = Counter(
            "mail_automator_mails_fetched_total", "Mails fetched and made ours.", ("mailbox",), registry=registry
        )
        self.mailbox_reappeared = Counter(
            "mail_automator_mailbox_reappeared_total",
            "Mails that had arrived before and came back under new UIDs: recognised by_headers without a download, "
            "by_identity after it, or unknown and taken as new.",
            ("mailbox", "how"),
            registry=registry,
        )
        self.mailbox_paced = Gauge(
            "mail_automator_mailbox_paced",
            "1 while a mailbox has had its bytes of the hour and the rest of its mail waits on the server.",
            ("mailbox",),
            registry=registry,
        )
        self.mailbox_held = Gauge(
            "mail_automator_mailbox_reappeared_held",
            "Mails that came back, are unknown, and wait for a person (mailbox accept-reappearance); must be 0.",
            ("mailbox",),
            registry=registry,
        )
        self.mailbox_untaken = Counter(
            "mail_automator_mailbox_untaken_total",
            "UIDs that are no mail of ours: hole (the server does not give it), vanished (gone before it was fetched), "
            "earlier (arrived before the mailbox was connected).",
            ("mailbox", "state"),
            registry=registry,
        )
        self.redelivered = Counter(
            "mail_automator_redelivered_total",
            "Messages that the broker delivered to a stage again.",
            ("stage",),
            registry=registry,
        )
        self.tickets_created = Counter(
            "mail_automator_tickets_created_total", "Tickets and requests opened.", ("module",), registry=registry
        )
        self.articles_appended = Counter(
            "mail_automator_articles_appended_total",
            "Mails appended to tickets, by kind (reply or note) and by what named the ticket.",
            ("kind", "matched_by"),
            registry=registry,
        )
        self.reply_waits = Counter(
            "mail_automator_reply_waits_total",
            "Times a mail was put off because the one it answers was still in flight.",
            registry=registry,
        )
        self.outbox_pending = Gauge(
            "mail_automator_outbox_pending", "Events that are owed and not published yet.", registry=registry
        )
        self.republished = Counter(
            "mail_automator_republished_total",
            "Unfinished mails put back at the start of the belt.",
            ("reason",),
            registry=registry,
        )
        self.held = Gauge(
            "mail_automator_work_held",
            "1 while this process takes no work because the store lost a guarantee (an index is gone), else 0.",
            registry=registry,
        )
        self.held.set(0)
        self.books = Gauge(
            "mail_automator_books_mails",
            "Mails in the ledger by mailbox and outcome; outcome `unaccounted` must be 0.",
            ("mailbox", "outcome"),
            registry=registry,
        )
        self.acknowledgements = Counter(
            "mail_automator_acknowledgements_total",
            "Acknowledgements by the state they came to and its reason code.",
            ("state", "reason"),
            registry=registry,
        )
        self.acknowledgements_now = Gauge(
            "mail_automator_acknowledgements_now",
            "Acknowledgements in the store by state; `unknown` are those that a person should look at.",
            ("state",),
            registry=registry,
        )
        self.acknowledgements_oldest = Gauge(
            "mail_automator_acknowledgements_oldest_pending_seconds",
            "Age of the oldest acknowledgement that waits to be sent; 0 if none does.",
            registry=registry,
        )
        self.acknowledgement_breaker = Gauge(
            "mail_automator_acknowledgement_breaker_open",
            "1 while a budget of this scope is spent and no acknowledgement of its kind is sent, until the hour ends.",
            ("scope",),
            registry=registry,
        )
        self.smtp_up = Gauge(
            "mail_automator_smtp_up",
            "1 while the last sign-in to the mailbox's SMTP server worked, else 0.",
            ("mailbox",),
            registry=registry,
        )
        self.smtp_failures = Counter(
            "mail_automator_smtp_failures_total",
            "What went wrong between us and the mailbox's SMTP server.",
            ("mailbox", "reason"),
            registry=registry,
        )
        self.config_generation = Gauge(
            "mail_automator_config_generation",
            "Generation of the configuration this process works under.",
            registry=registry,
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
