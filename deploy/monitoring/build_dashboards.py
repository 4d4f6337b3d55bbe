"""Writes the Grafana dashboards from one description: `python -m deploy.monitoring.build_dashboards`.

A row is a literal: title, kind, unit, what it shows, and its expressions. Every expression returns data on a healthy
system (`or vector(0)` where nothing has happened yet), so an empty panel means that something is missing.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, STAT_HEIGHT = 24, 8, 4


class Panel(NamedTuple):
    """`queries` are pairs of expression and legend. `red` colours a stat from that value on."""

    title: str
    kind: str
    unit: str
    text: str
    queries: tuple[tuple[str, str], ...]
    width: int = 12
    red: float | None = None


class Dashboard(NamedTuple):
    """`variables` are pairs of name and query."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()


def stat(title: str, unit: str, text: str, expression: str, red: float | None = None, width: int = 4) -> Panel:
    return Panel(title, "stat", unit, text, ((expression, ""),), width, red)


def graph(title: str, unit: str, text: str, *queries: tuple[str, str], width: int = 12) -> Panel:
    return Panel(title, "timeseries", unit, text, queries, width)


def table(title: str, unit: str, text: str, expression: str, width: int = 12) -> Panel:
    return Panel(title, "table", unit, text, ((expression, ""),), width)


OVERVIEW = Dashboard(
    "mail-automator-overview",
    "Mail Automator: overview",
    (
        stat(
            "In time, 1 h",
            "percentunit",
            "Mails that had their outcome within 60 s of their arrival. The service level is 99 %.",
            "1 - (mail_automator:late_outcomes:ratio_rate1h >= 0) or vector(1)",
        ),
        stat(
            "Error budget left, 3 d",
            "percentunit",
            "1 % of mails may be late. Below 0 the budget is overspent.",
            "1 - (mail_automator:late_outcomes:ratio_rate3d >= 0) / 0.01 or vector(1)",
        ),
        stat(
            "Unaccounted mails",
            "short",
            "Must be 0. `mail-automator audit` names each.",
            'sum(mailbox_outcome:mail_automator_books_mails:max{outcome="unaccounted"})',
            red=1,
        ),
        stat(
            "In quarantine",
            "short",
            "Mails that wait for a person.",
            'sum(mailbox_outcome:mail_automator_books_mails:max{outcome="quarantined"})',
            red=1,
        ),
        stat(
            "Mailboxes not read",
            "short",
            "Active, and without a complete pass for 15 minutes.",
            "count((mailbox:mail_automator_since_last_pass_seconds:min > 15 * 60 and on (mailbox) "
            "mailbox:mail_automator_mailbox_active:max > 0) or (mailbox:mail_automator_mailbox_active:max > 0 "
            "unless on (mailbox) mailbox:mail_automator_since_last_pass_seconds:min)) or vector(0)",
            red=1,
        ),
        stat(
            "Alerts firing",
            "short",
            "Of Mail Automator, of any severity.",
            'count(ALERTS{alertstate="firing",severity=~"critical|warning"}) or vector(0)',
            red=1,
        ),
        graph(
            "Mail to outcome",
            "s",
            "Age of mails at their outcome, from their arrival at the mail server; 0 while there are none.",
            ("(mail_automator:outcome_age_seconds:p50_rate5m >= 0) or vector(0)", "median"),
            ("(mail_automator:outcome_age_seconds:p95_rate5m >= 0) or vector(0)", "95 %"),
        ),
        graph(
            "Outcomes",
            "mailps",
            "Mails that came to an end, by outcome.",
            ("sum by (outcome) (rate(mail_automator_outcome_age_seconds_count[5m]))", "{{outcome}}"),
        ),
        graph(
            "Burn rate",
            "x",
            "How many times faster than allowed the error budget is spent. Alerts: 14.4 (1 h and 5 min), 6 (6 h and 30 "
            "min), 3 (1 d and 2 h), 1 (3 d and 6 h).",
            ("(mail_automator:late_outcomes:ratio_rate1h >= 0) / 0.01 or vector(0)", "1 h"),
            ("(mail_automator:late_outcomes:ratio_rate6h >= 0) / 0.01 or vector(0)", "6 h"),
            ("(mail_automator:late_outcomes:ratio_rate3d >= 0) / 0.01 or vector(0)", "3 d"),
        ),
        graph(
            "Queues",
            "short",
            "Messages that lie ready.",
            ("queue:mail_automator_queue_messages:max", "{{queue}}"),
        ),
        table(
            "Replicas",
            "short",
            "Processes of each service and version that answer.",
            "count by (service, version) (mail_automator_build_info)",
        ),
        table(
            "What is missing",
            "short",
            "Processes that lack something they need, by part; 0 is well.",
            "sum by (part) (1 - mail_automator_ready)",
        ),
    ),
)

MAILBOXES = Dashboard(
    "mail-automator-mailboxes",
    "Mail Automator: mailboxes",
    (
        stat("Active", "short", "Enabled and not paused.", "sum(mailbox:mail_automator_mailbox_active:max)"),
        stat("Read", "short", "Leases that fetchers hold.", "sum(mail_automator_mailboxes_read)"),
        stat("Connected", "short", "Logged in now.", "sum(max by (mailbox) (mail_automator_mailbox_up))"),
        stat(
            "Sign-in refused",
            "short",
            "A person must help.",
            "sum(max by (mailbox) (mail_automator_mailbox_auth_rejected)) or vector(0)",
            red=1,
        ),
        stat(
            "Came back, held",
            "short",
            "Mails that wait for `mailbox accept-reappearance`.",
            "sum(max by (mailbox) (mail_automator_mailbox_reappeared_held)) or vector(0)",
            red=1,
        ),
        stat(
            "Without own series",
            "short",
            "Mailboxes beyond MAIL_AUTOMATOR_METRICS_MAILBOXES, shown as _other.",
            "max(mail_automator_mailboxes_folded)",
        ),
        graph(
            "Since the last complete pass",
            "s",
            "Alerts at 15 minutes.",
            ('mailbox:mail_automator_since_last_pass_seconds:min{mailbox=~"$mailbox"}', "{{mailbox}}"),
        ),
        graph(
            "Fetched",
            "mailps",
            "Mails made ours.",
            ('sum by (mailbox) (rate(mail_automator_mails_fetched_total{mailbox=~"$mailbox"}[5m]))', "{{mailbox}}"),
        ),
        graph(
            "Waiting on the server",
            "short",
            "Mails that the last look saw and that are not ours yet.",
            ('max by (mailbox) (mail_automator_mailbox_lag_messages{mailbox=~"$mailbox"})', "{{mailbox}}"),
        ),
        graph(
            "Passes",
            "s",
            "Time of one pass over a mailbox; 0 while there are none.",
            (
                "(histogram_quantile(0.5, sum by (le) (rate(mail_automator_mailbox_poll_duration_seconds_bucket[5m]))) "
                ">= 0) or vector(0)",
                "median",
            ),
            (
                "(histogram_quantile(0.95, sum by (le) "
                "(rate(mail_automator_mailbox_poll_duration_seconds_bucket[5m]))) >= 0) or vector(0)",
                "95 %",
            ),
        ),
        graph(
            "Connections made again",
            "ops",
            "By what ended the last.",
            ("sum by (reason) (rate(mail_automator_imap_reconnects_total[5m])) or vector(0)", "{{reason}}"),
        ),
        graph(
            "Logins refused",
            "short",
            "Within an hour.",
            (
                'sum by (mailbox) (increase(mail_automator_mailbox_auth_failures_total{mailbox=~"$mailbox"}[1h])) '
                "or vector(0)",
                "{{mailbox}}",
            ),
        ),
        table(
            "Ends soon",
            "d",
            "Days until the certificate or client secret ends, the first first.",
            "sort(min by (mailbox, credential) (mail_automator_credential_expiry_timestamp_seconds"
            '{mailbox=~"$mailbox"} - time()) / 86400)',
        ),
        table(
            "SMTP",
            "short",
            "1 while the last sign-in to the mailbox's SMTP server worked; nothing is known before the first.",
            "min by (mailbox) (mail_automator_smtp_up) or vector(1)",
        ),
    ),
    (("mailbox", "label_values(mail_automator_mailbox_active, mailbox)"),),
)

PIPELINE = Dashboard(
    "mail-automator-pipeline",
    "Mail Automator: pipeline",
    (
        graph(
            "Rate",
            "mailps",
            "Mails a stage has finished with.",
            ("stage_outcome:mail_automator_messages:rate5m", "{{stage}} {{outcome}}"),
        ),
        graph(
            "Errors",
            "mailps",
            "Put off, quarantined, refused.",
            (
                "sum by (stage, reason) (rate(mail_automator_retries_total[5m])) or vector(0)",
                "retry {{stage}} {{reason}}",
            ),
            (
                "sum by (stage, reason) (rate(mail_automator_quarantined_total[5m])) or vector(0)",
                "quarantine {{stage}} {{reason}}",
            ),
            ("sum by (stage, reason) (rate(mail_automator_dead_letters_total[5m]))", "refused {{stage}} {{reason}}"),
        ),
        graph(
            "Duration of a batch, 95 %",
            "s",
            "From taking it to its last acknowledgement; 0 while there are none.",
            ("(stage:mail_automator_stage_duration_seconds:p95_rate5m >= 0) or vector(0)", "{{stage}}"),
        ),
        graph(
            "Age when a stage is done, 95 %",
            "s",
            "The first stage at which it jumps is where time is lost; 0 while there are none.",
            (
                "(histogram_quantile(0.95, sum by (le, stage) (rate(mail_automator_message_age_seconds_bucket[5m]))) "
                ">= 0) or vector(0)",
                "{{stage}}",
            ),
        ),
        graph(
            "Queues: messages",
            "short",
            "That lie ready.",
            ("queue:mail_automator_queue_messages:max", "{{queue}}"),
        ),
        graph(
            "Queues: consumers",
            "short",
            "0 is an alert.",
            ("queue:mail_automator_queue_consumers:max", "{{queue}}"),
        ),
        graph(
            "In flight",
            "short",
            "Messages that stages hold.",
            ("sum by (stage) (mail_automator_in_flight)", "{{stage}}"),
        ),
        graph(
            "Taken, and delivered again",
            "mailps",
            "Messages from the queues.",
            ("sum by (stage) (rate(mail_automator_received_total[5m]))", "{{stage}}"),
            ("sum by (stage) (rate(mail_automator_redelivered_total[5m])) or vector(0)", "again {{stage}}"),
        ),
        graph(
            "Publishing",
            "mailps",
            "By exchange and result.",
            ("sum by (exchange, result) (rate(mail_automator_publish_total[5m]))", "{{exchange}} {{result}}"),
        ),
        graph(
            "Time to confirm, 95 %",
            "s",
            "Of a burst; 0 while there are none.",
            (
                "(histogram_quantile(0.95, sum by (le) (rate(mail_automator_publish_duration_seconds_bucket[5m]))) "
                ">= 0) or vector(0)",
                "95 %",
            ),
        ),
        graph(
            "Parser processes",
            "short",
            "Busy ones, those there may be, and deaths within an hour.",
            ("sum(mail_automator_parser_processes_busy)", "busy"),
            ("sum(mail_automator_parser_processes)", "all"),
            ("sum(increase(mail_automator_parser_deaths_total[1h]))", "deaths"),
        ),
        graph(
            "Since a stage last finished a mail",
            "s",
            "Grows where nothing comes, and where nothing goes.",
            ("time() - max by (stage) (mail_automator_stage_last_finished_timestamp_seconds)", "{{stage}}"),
        ),
        graph(
            "Console: requests",
            "reqps",
            "By status.",
            ("sum by (status) (rate(mail_automator_http_requests_total[5m])) or vector(0)", "{{status}}"),
        ),
        graph(
            "Console: time, 95 %",
            "s",
            "Of an answer; 0 while there are none.",
            (
                "(histogram_quantile(0.95, sum by (le, area) "
                "(rate(mail_automator_http_request_duration_seconds_bucket[5m]))) >= 0) or vector(0)",
                "{{area}}",
            ),
        ),
        graph(
            "Memory",
            "bytes",
            "Resident, by process.",
            (
                "process_resident_memory_bytes * on (job, instance) group_left (service) mail_automator_build_info",
                "{{service}} {{instance}}",
            ),
        ),
        graph(
            "CPU",
            "short",
            "Cores, by process; parser processes not included.",
            (
                "rate(process_cpu_seconds_total[5m]) "
                "* on (job, instance) group_left (service) mail_automator_build_info",
                "{{service}} {{instance}}",
            ),
        ),
    ),
)

BOOKS = Dashboard(
    "mail-automator-books",
    "Mail Automator: books",
    (
        *(
            stat(
                title,
                "short",
                text,
                f'sum(mailbox_outcome:mail_automator_books_mails:max{{outcome="{outcome}"}})',
                red,
                3,
            )
            for title, outcome, text, red in (
                ("Tickets", "ticket", "Mails that opened a ticket or request.", None),
                ("Replies", "reply", "Mails appended to tickets.", None),
                ("Duplicates", "duplicate", "Mails counted on a ticket.", None),
                ("Rejected", "rejected", "With their reason.", None),
                ("Quarantined", "quarantined", "Wait for a person.", 1),
                ("In flight", "in_flight", "No outcome yet.", None),
                ("Unaccounted", "unaccounted", "Must be 0.", 1),
            )
        ),
        stat(
            "Oldest unfinished",
            "s",
            "How long it has been in the ledger.",
            "max(mail_automator_unfinished_oldest_seconds)",
            1800,
            3,
        ),
        table(
            "Books by mailbox",
            "short",
            "As the bookkeeper counted them last.",
            'sum by (mailbox, outcome) (mailbox_outcome:mail_automator_books_mails:max{mailbox=~"$mailbox"})',
            24,
        ),
        graph(
            "Why mails were rejected",
            "short",
            "Within an hour, by reason.",
            (
                'sum by (reason) (increase(mail_automator_messages_total{outcome="rejected"}[1h])) or vector(0)',
                "{{reason}}",
            ),
        ),
        graph(
            "Tickets and replies",
            "short",
            "Within an hour.",
            ("sum by (module) (increase(mail_automator_tickets_created_total[1h]))", "{{module}}"),
            ("sum by (kind) (increase(mail_automator_articles_appended_total[1h])) or vector(0)", "{{kind}}"),
        ),
        graph(
            "Put back and owed",
            "short",
            "Mails put back at the start of the belt within an hour; events owed for too long now.",
            ("sum by (reason) (increase(mail_automator_republished_total[1h])) or vector(0)", "put back {{reason}}"),
            ("max(mail_automator_outbox_pending)", "owed"),
        ),
        graph(
            "Mails that came back",
            "short",
            "Within an hour, by how that was found.",
            (
                'sum by (how) (increase(mail_automator_mailbox_reappeared_total{mailbox=~"$mailbox"}[1h])) '
                "or vector(0)",
                "{{how}}",
            ),
        ),
        graph(
            "Acknowledgements",
            "short",
            "In the store, by state.",
            ("max by (state) (mail_automator_acknowledgements_now)", "{{state}}"),
        ),
        graph(
            "Acknowledgements: trouble",
            "short",
            "Budgets that are spent, failures of SMTP within an hour.",
            ("max by (scope) (mail_automator_acknowledgement_breaker_open)", "budget {{scope}}"),
            ("sum by (reason) (increase(mail_automator_smtp_failures_total[1h])) or vector(0)", "{{reason}}"),
        ),
    ),
    (("mailbox", "label_values(mail_automator_books_mails, mailbox)"),),
)

DASHBOARDS = (OVERVIEW, MAILBOXES, PIPELINE, BOOKS)


def document(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana imports it (schema 39, Grafana 10 and later)."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["mail-automator"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), *(_variable(name, query) for name, query in dashboard.variables)]},
        "links": [{"type": "dashboards", "tags": ["mail-automator"], "title": "Mail Automator", "asDropdown": True}],
        "panels": _placed(dashboard.panels),
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        tall = STAT_HEIGHT if panel.kind == "stat" else HEIGHT
        if x + panel.width > WIDTH or (x and tall != height):
            x, y = 0, y + height
        height = tall
        placed.append(_panel(number, panel) | {"gridPos": {"x": x, "y": y, "w": panel.width, "h": tall}})
        x += panel.width
    return placed


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    instant = panel.kind != "timeseries"
    return {
        "id": number,
        "title": panel.title,
        "description": panel.text,
        "type": panel.kind,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": None, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend or "__auto",
                "instant": instant,
                "range": not instant,
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for at, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def text(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(document(dashboard), indent=2) + "\n"


def path(dashboard: Dashboard) -> Path:
    """Where it stands."""
    return FOLDER / f"{dashboard.uid.removeprefix('mail-automator-')}.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in DASHBOARDS:
        path(one).write_text(text(one))
