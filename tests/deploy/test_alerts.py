"""Every alert is valid, tried, and explained; what it asks for exists."""

import re
from pathlib import Path

import click
import pytest
import typer.main
import yaml

from services.console.cli.main import build
from shared.observability.metrics import SERVICES, Metrics
from shared.store.ledger_documents import OUTCOMES
from tests.support.monitoring import ALERTS, MONITORING, RECORDED, ROOT, RUNBOOKS, alerts, promtool, recorded, rules
from tests.support.promql import faults

TESTS = Path(__file__).parent / "rules"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
EXPRESSIONS = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in (*rules(ALERTS), *rules(RECORDED))]


@pytest.mark.parametrize("file", [ALERTS, RECORDED], ids=lambda file: file.name)
def test_rules_are_valid(file: Path) -> None:
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stderr.decode()


def test_the_example_of_a_configuration_is_valid_and_loads_the_rules() -> None:
    done = promtool("check", "config", MONITORING / "prometheus.yml")
    assert done.returncode == 0, done.stderr.decode()
    assert b"2 rule files found" in done.stdout


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_fires_stays_quiet_and_resolves(alert: str) -> None:
    """By promtool, on series written for it; one that fires is also seen not to, before and after."""
    file = TESTS / f"{alert}.yaml"
    done = promtool("test", "rules", file)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    checks = [case["alert_rule_test"] for case in yaml.safe_load(file.read_text())["tests"]]
    assert all(one["alertname"] == alert for case in checks for one in case)
    seen = ["".join("f" if one["exp_alerts"] else "q" for one in case) for case in checks]
    assert any(re.search("q+f+q", case) for case in seen), f"{alert}: {seen}"


def test_no_test_or_runbook_is_of_an_alert_that_is_gone() -> None:
    assert {one.stem for one in TESTS.glob("*.yaml")} == set(alerts())
    assert {one.stem for one in RUNBOOKS.glob("*.md")} == {*alerts(), "README"}


@pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_is(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    assert (ROOT / rule["annotations"]["runbook_url"]).exists()


@pytest.mark.parametrize("alert", alerts())
def test_a_runbook_has_every_part_and_asks_only_what_can_be_answered(alert: str) -> None:
    """Its commands are commands, with the options they have; its PromQL names metrics that exist."""
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert all(part.strip() for part in re.split(r"^#+ .*$", text, flags=re.MULTILINE)[2:])
    expressions = [line for block in fenced(text, "promql") for line in block]
    assert expressions, "nothing to ask Prometheus"
    assert [fault for one in expressions for fault in faults(one, recorded())] == []
    for line in (line for block in fenced(text, "console") for line in block):
        understood(line)
    assert f"[{alert}]({alert}.md)" in (RUNBOOKS / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "expression"), EXPRESSIONS, ids=[f"{at}-{one[0]}" for at, one in enumerate(EXPRESSIONS)]
)
def test_a_rule_asks_for_metrics_that_exist(name: str, expression: str) -> None:
    assert faults(expression, recorded()) == []


def test_a_metric_that_nobody_has_and_a_label_that_it_lacks_are_found() -> None:
    """The check itself has teeth."""
    wrong = 'sum by (stage) (rate(mail_automator_messges_total{stage="x"}[5m])) or mail_automator_in_flight{queue="x"}'
    assert faults(wrong, set()) == ["mail_automator_messges_total", "mail_automator_in_flight{queue}"]


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_exposes_is_as_prometheus_wants_it(service: str) -> None:
    """`promtool check metrics`: help texts, units, suffixes. Every metric has at least one series."""
    metrics = Metrics(service, "0")
    for one in vars(metrics).values():
        labels = getattr(one, "_labelnames", None) or getattr(one, "_labels", None)
        if labels:
            one.labels(*(OUTCOMES[0] for _ in labels))
    for one in (metrics.mailbox_up, metrics.books, metrics.smtp_up):
        one.labels("support", *one._labels[1:]).set(1)
    done = promtool("check", "metrics", given=metrics.exposition())
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def fenced(text: str, kind: str) -> list[list[str]]:
    """The lines of the blocks of a kind."""
    return [block.strip().splitlines() for block in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)]


def understood(line: str) -> None:
    """Raises what the command line says of a command that it does not understand."""
    name, *arguments = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
    assert name == "mail-automator", line
    command: click.Command = typer.main.get_command(build())
    context: click.Context | None = None
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        inner = command.commands[arguments.pop(0)]  # a KeyError names the command that is none
        context = click.Context(command, parent=context)
        command = inner
    command.make_context(command.name, arguments, parent=context)
