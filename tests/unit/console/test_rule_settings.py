"""From a step of the trace to the setting that it obeys."""

from services.console.configuration import meanings
from services.console.web.rule_settings import FIELDS, setting
from services.filter.rules import RULES


def test_every_rule_of_the_filter_names_a_field_of_the_mailbox() -> None:
    assert set(FIELDS) == {one.name for one in RULES}
    assert set(FIELDS.values()) <= set(meanings.MAILBOX)


def test_a_step_that_obeys_no_setting_has_none() -> None:
    assert setting("support", "ticket_writer", "ticket") is None
    assert setting("support", "filter", "overruled") is None
