"""Where a mail belongs in the catalogue, and why."""

from typing import Any

import pytest

from services.classifier.decide import decide
from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.domain.decision import Classification, Priority, Step, Verdict
from shared.mail.parse import parse
from tests.support.builders import mailbox
from tests.support.mails import mail

CATALOGUE = Catalogue(
    revision=1,
    services=(
        Service(name="hr-service", keywords=("Payroll", "Salary"), department="hr"),
        Service(name="access", keywords=("access", "Payroll Access"), department="it"),
        Service(name="network", keywords=("VPN", "Réseau")),
        Service(name="printing", keywords=("printer",), department="it"),
    ),
    processes=(
        Process(name="onboarding", keywords=("new employee",), department="hr"),
        Process(name="vendor", senders=("*@vendor.example",), department="purchasing"),
        Process(name="audit", keywords=("audit",), senders=("audit.example",), recipients=("audits@example.com",)),
        Process(name="nothing"),
        Process(name="employee", keywords=("employee",)),
    ),
    departments=(Department(name="hr"), Department(name="it"), Department(name="purchasing"), Department(name="desk")),
)


def classify(raw: bytes, **domains: Any) -> tuple[Classification, dict[str, Step]]:
    found, trace = decide(parse(raw), mailbox(domains=domains), CATALOGUE)
    assert [step.rule for step in trace] == ["service", "process", "department", "priority"]
    return found, {step.rule: step for step in trace}


@pytest.mark.parametrize(
    ("subject", "service"),
    [
        ("Payroll Issue", "hr-service"),
        ("Payroll Access Issue", "access"),
        ("issue with PAYROLL", "hr-service"),
        ("Probleme de reseau", "network"),
        ("Problème de RÉSEAU", "network"),
        ("Salary printer", "printing"),
        ("Access: vpn salary", "access"),
        ("Payrolls and vpns", None),
        ("Hello", None),
    ],
)
def test_the_subject_names_the_service(subject: str, service: str | None) -> None:
    assert classify(mail(subject=subject))[0].service == service


def test_of_keywords_of_one_length_the_earliest_wins_then_the_catalogue_decides() -> None:
    catalogue = Catalogue(
        services=(Service(name="one", keywords=("alpha", "gamma")), Service(name="two", keywords=("gamma", "delta")))
    )
    earliest, _ = decide(parse(mail(subject="delta alpha")), mailbox(), catalogue)
    tied, _ = decide(parse(mail(subject="gamma")), mailbox(), catalogue)
    assert (earliest.service, tied.service) == ("two", "one")


def test_the_trace_names_the_winner_and_the_losers() -> None:
    _, steps = classify(mail(subject="Payroll Access for the printer"))
    step = steps["service"]
    assert step.verdict is Verdict.CHOSE
    assert "Payroll Access" in step.sentence
    assert step.looked_at["losers"] == "hr-service (Payroll), printing (printer)"


def test_impact_services_limit_what_is_looked_for() -> None:
    found, _ = classify(mail(subject="Payroll printer"), impact_services=("hr-service", "network"))
    assert found.service == "hr-service"
    found, _ = classify(mail(subject="printer"), impact_services=("hr-service",), default_service="network")
    assert found.service == "network"


def test_without_classification_by_subject_the_default_service_is_taken() -> None:
    found, steps = classify(mail(subject="printer"), classify_service_by_subject=False, default_service="network")
    assert (found.service, steps["service"].verdict) == ("network", Verdict.DEFAULTED)
    found, steps = classify(mail(subject="printer"), classify_service_by_subject=False)
    assert (found.service, steps["service"].verdict) == (None, Verdict.OFF)


@pytest.mark.parametrize(
    ("changes", "process"),
    [
        ({"subject": "New Employee starts"}, "onboarding"),
        ({"subject": "an employee"}, "employee"),
        ({"subject": "Quote", "sender": "bob@vendor.example"}, "vendor"),
        ({"subject": "New employee", "sender": "bob@vendor.example"}, "onboarding"),
        ({"subject": "audit", "sender": "a@audit.example", "cc": "audits@example.com"}, "audit"),
        ({"subject": "audit", "sender": "a@audit.example"}, None),
        ({"subject": "audit", "cc": "audits@example.com"}, None),
        ({"subject": "Quote", "sender": "a@audit.example", "cc": "audits@example.com"}, None),
        ({"subject": "Hello"}, None),
    ],
)
def test_a_process_takes_mail_by_keywords_and_conditions(changes: dict[str, str], process: str | None) -> None:
    found, steps = classify(mail(**changes), allow_process_classification=True)  # type: ignore[arg-type]
    assert found.process == process
    assert steps["process"].verdict is (Verdict.CHOSE if process else Verdict.DEFAULTED)
    off, steps = classify(mail(**changes), allow_process_classification=False)  # type: ignore[arg-type]
    assert (off.process, steps["process"].verdict) == (None, Verdict.OFF)


@pytest.mark.parametrize(
    ("subject", "domains", "department"),
    [
        ("New employee needs printer", {"allow_process_classification": True, "department": "desk"}, "hr"),
        ("printer", {"allow_process_classification": True, "department": "desk"}, "it"),
        ("an employee with a printer", {"allow_process_classification": True, "department": "desk"}, "it"),
        ("VPN", {"department": "desk"}, "desk"),
        ("VPN", {}, None),
        ("Hello", {"department": "desk", "default_service": "printing"}, "it"),
    ],
)
def test_the_department_is_that_of_the_process_then_the_service_then_the_mailbox(
    subject: str, domains: dict[str, Any], department: str | None
) -> None:
    assert classify(mail(subject=subject), **domains)[0].department == department


@pytest.mark.parametrize(
    ("headers", "priority"),
    [
        ({}, Priority.NORMAL),
        ({"Importance": "High"}, Priority.HIGH),
        ({"X-Priority": "1 (Highest)"}, Priority.HIGH),
        ({"X-Priority": "5"}, Priority.LOW),
        ({"Priority": "non-urgent"}, Priority.LOW),
        ({"Importance": "nonsense", "X-Priority": "2"}, Priority.HIGH),
        ({"Importance": "low", "X-Priority": "1"}, Priority.LOW),
    ],
)
def test_the_priority_is_what_the_mail_says(headers: dict[str, str], priority: Priority) -> None:
    assert classify(mail(headers=headers))[0].priority is priority
