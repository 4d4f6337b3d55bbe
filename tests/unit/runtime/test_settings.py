"""Settings say every problem at once, and refuse what they do not know."""

from pathlib import Path

import pytest

from services.console.settings import OidcSettings
from services.filter.settings import FilterSettings
from services.ticket_writer.settings import TicketWriterSettings
from shared.broker.settings import BrokerSettings
from shared.domain.access import Role
from shared.domain.errors import ConfigurationError
from shared.runtime.clock import Clock
from shared.runtime.consume.failures import backoff
from shared.runtime.settings import EventSettings, LogSettings, read
from tests.support.canary import WORD

PARTS_SETTINGS = {"FILTER": FilterSettings, "TICKET_WRITER": TicketWriterSettings}


def test_a_misspelt_variable_is_refused_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never silently ignored."""
    with pytest.raises(ConfigurationError) as caught:
        read(LogSettings, {"MAIL_AUTOMATOR_LOG_LEVLE": "INFO"})
    assert "MAIL_AUTOMATOR_LOG_LEVLE is not a setting (did you mean MAIL_AUTOMATOR_LOG_LEVEL?)" in caught.value.line()


def test_every_problem_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start, one list."""
    monkeypatch.setenv("MAIL_AUTOMATOR_LOG_LEVEL", "LOUD")
    monkeypatch.setenv("MAIL_AUTOMATOR_LOG_FORMAT", "xml")
    with pytest.raises(ConfigurationError) as caught:
        read(LogSettings, {"MAIL_AUTOMATOR_COFFEE": "1"})
    line = caught.value.line()
    assert all(name in line for name in ("LOG_LEVEL", "LOG_FORMAT", "MAIL_AUTOMATOR_COFFEE"))


def test_a_bad_value_is_never_repeated_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a secret."""
    monkeypatch.setenv("MAIL_AUTOMATOR_BROKER_HEARTBEAT_SECONDS", WORD)
    with pytest.raises(ConfigurationError) as caught:
        read(BrokerSettings, {})
    assert WORD not in caught.value.line()
    assert "HEARTBEAT" in caught.value.line()


def test_backoff_doubles_from_ten_seconds_to_six_hours() -> None:
    """With jitter between a half and one and a half."""
    assert [backoff(n, 0.5).total_seconds() for n in (0, 1, 3, 30)] == [10, 20, 80, 6 * 3600]
    assert backoff(0, 0.0).total_seconds() == 5


@pytest.mark.parametrize("name", ["DATABASE_URL", "EVENTS_SOURCE", "ALLOW_INSTALLS"])
def test_a_name_that_only_begins_like_a_setting_is_refused(name: str) -> None:
    """Accepted and ignored would be worse."""
    with pytest.raises(ConfigurationError):
        read(LogSettings, {f"MAIL_AUTOMATOR_{name}": "x"})


@pytest.mark.parametrize("part", ["FILTER", "TICKET_WRITER"])
def test_no_part_has_an_event_source_of_its_own(part: str) -> None:
    """Two could disagree."""
    with pytest.raises(ConfigurationError):
        read(PARTS_SETTINGS[part], {f"MAIL_AUTOMATOR_{part}_EVENT_SOURCE": "/here"})


def test_the_event_source_is_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word without blanks (RFC 3986), else refused."""
    assert read(EventSettings, {}).source == "/mail-automator"
    monkeypatch.setenv("MAIL_AUTOMATOR_EVENT_SOURCE", "/mail-automator/production")
    assert read(EventSettings, {}).source == "/mail-automator/production"
    monkeypatch.setenv("MAIL_AUTOMATOR_EVENT_SOURCE", "two words")
    with pytest.raises(ConfigurationError):
        read(EventSettings, {})


def test_the_clock_knows_no_more_than_the_store_keeps() -> None:
    """Whole milliseconds: an event that is made again says the same."""
    clock = Clock()
    assert {clock.now().microsecond % 1000 for _ in range(50)} == {0}


def test_a_file_named_like_a_variable_counts_more_than_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mounted secrets; a newline at the end is not part of them."""
    monkeypatch.setenv("MAIL_AUTOMATOR_BROKER_URL", "amqp://from-the-environment/")
    (tmp_path / "MAIL_AUTOMATOR_BROKER_URL").write_text(f"amqp://someone:{WORD}@here/\n")
    (tmp_path / "support").write_text("the password of a mailbox, and none of ours")
    (tmp_path / "MAIL_AUTOMATOR_OIDC_ROLES").write_text('{"viewer": ["staff"]}')
    given = {"MAIL_AUTOMATOR_SECRETS_DIR": str(tmp_path)}
    assert read(BrokerSettings, given).url.get_secret_value() == f"amqp://someone:{WORD}@here/"
    assert read(OidcSettings, given).roles == {Role.VIEWER: ("staff",)}


def test_a_misspelt_file_is_refused_like_a_misspelt_variable(tmp_path: Path) -> None:
    """And what is in it is not repeated."""
    (tmp_path / "MAIL_AUTOMATOR_BROKER_ULR").write_text(WORD)
    with pytest.raises(ConfigurationError) as caught:
        read(BrokerSettings, {"MAIL_AUTOMATOR_SECRETS_DIR": str(tmp_path)})
    assert "MAIL_AUTOMATOR_BROKER_ULR is not a setting (did you mean MAIL_AUTOMATOR_BROKER_URL?)" in caught.value.line()
    assert WORD not in caught.value.line()


@pytest.mark.parametrize("place", ["file", "variable"])
def test_what_is_not_the_json_it_should_be_is_one_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands, and without repeating it."""
    if place == "file":
        (tmp_path / "MAIL_AUTOMATOR_OIDC_ROLES").write_text(WORD)
    else:
        monkeypatch.setenv("MAIL_AUTOMATOR_OIDC_ROLES", WORD)
    with pytest.raises(ConfigurationError) as caught:
        read(OidcSettings, {"MAIL_AUTOMATOR_SECRETS_DIR": str(tmp_path)})
    assert "MAIL_AUTOMATOR_OIDC_" in caught.value.line()
    assert WORD not in caught.value.line()
