"""Use Default: servers by choice and by mail domain."""

import pytest

from services.console.defaults.presets import AuthType, defaults, presets
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Imap, Provider, Smtp


@pytest.mark.parametrize(
    ("email", "provider", "auth", "imap", "smtp"),
    [
        ("help@corp.example", Provider.MICROSOFT, "basic", "outlook.office365.com:993", "smtp.office365.com:587"),
        (
            "help@corp.example",
            Provider.OTHER,
            "oauth2_microsoft",
            "outlook.office365.com:993",
            "smtp.office365.com:587",
        ),
        ("a@corp.onmicrosoft.com", Provider.OTHER, "basic", "outlook.office365.com:993", "smtp.office365.com:587"),
        ("a@hotmail.co.uk", Provider.MICROSOFT, "basic", "outlook.office365.com:993", "smtp-mail.outlook.com:587"),
        ("A@GMail.com", Provider.OTHER, "basic", "imap.gmail.com:993", "smtp.gmail.com:465"),
        ("a@yahoo.co.jp", Provider.OTHER, "basic", "imap.mail.yahoo.com:993", "smtp.mail.yahoo.com:465"),
        ("a@me.com", Provider.OTHER, "basic", "imap.mail.me.com:993", "smtp.mail.me.com:587"),
        ("a@corp.example", Provider.OTHER, "exchange", "mail.corp.example:993", "mail.corp.example:587"),
        ("a@corp.example", Provider.OTHER, "basic", "imap.corp.example:993", "smtp.corp.example:465"),
        ("a@notgmail.com", Provider.OTHER, "basic", "imap.notgmail.com:993", "smtp.notgmail.com:465"),
    ],
)
def test_the_servers_follow_the_choice_and_then_the_domain(
    email: str, provider: Provider, auth: AuthType, imap: str, smtp: str
) -> None:
    """What was chosen goes before what the address says."""
    found = defaults(email, provider, auth)
    assert (f"{found.imap.host}:{found.imap.port}", f"{found.smtp.host}:{found.smtp.port}") == (imap, smtp)


def test_every_entry_makes_a_valid_mailbox_part() -> None:
    """The data file cannot hold a host or port that the mailbox refuses; 587 is STARTTLS, 465 and 993 are TLS."""
    for one in presets().providers:
        for server, model in ((one.imap, Imap), (one.smtp, Smtp)):
            host = server.host.replace("{domain}", "corp.example")
            model(host=host, port=server.port, encryption=server.encryption)
            assert (server.encryption == "starttls") == (server.port == 587)


def test_what_is_no_address_is_an_error_with_a_remedy() -> None:
    """Nothing is guessed."""
    with pytest.raises(ConfigurationError) as caught:
        defaults("not an address")
    assert caught.value.remedy
