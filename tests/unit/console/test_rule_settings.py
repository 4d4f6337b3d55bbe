"""From a step of the trace to the setting that it obeys."""

from services.classifier.rules import RULES as CLASSIFIER
from services.console.configuration import meanings
from services.console.web.rule_settings import CHOSEN, FIELDS, Setting, setting
from services.filter.rules import RULES
from shared.domain.decision import Classification


def test_every_rule_of_the_filter_names_a_field_of_the_mailbox() -> None:
    assert set(FIELDS) == {one.name for one in RULES}
    assert set(FIELDS.values()) <= set(meanings.MAILBOX)


def test_a_step_that_obeys_no_setting_has_none() -> None:
    assert setting("support", "ticket_writer", "ticket") is None
    assert setting("support", "filter", "overruled") is None
    assert setting("support", "classifier", "service", "chose") is None
    assert setting("support", "classifier", "service", "defaulted", Classification(service="vpn")) is None


def test_what_was_chosen_by_the_catalogue_leads_to_its_entry() -> None:
    assert set(CHOSEN) == {one.name for one in CLASSIFIER} & set(Classification.model_fields) - {"priority"}
    place = Classification(service="vpn", process="onboarding", department="desk")
    found = [setting("support", "classifier", rule, "chose", place) for rule in CHOSEN]
    assert found == [
        Setting("service vpn", "/catalogue/services/vpn"),
        Setting("process onboarding", "/catalogue/processes/onboarding"),
        Setting("department desk", "/catalogue/departments/desk"),
    ]
