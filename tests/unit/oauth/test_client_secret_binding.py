"""A stored client secret opens for its own identity server, tenant and client only, and for its own mail server."""

import pytest

from shared.domain.mailbox import MailboxSpec, secret_binding


def binding(field: str = "auth.client_secret", host: str = "outlook.office365.com", **auth: str) -> str:
    spec = {
        "module": "ticket",
        "email": "support@desk.example",
        "imap": {"host": host},
        "auth": {"type": "oauth2_microsoft", "client_id": "c", "tenant_id": "t", "client_secret": "s", **auth},
        "acknowledgements": {"enabled": False},
    }
    return secret_binding(MailboxSpec.model_validate(spec), "support", field)


CHANGES = [{"authority": "https://login.microsoftonline.us"}, {"tenant_id": "u"}, {"client_id": "d"}, {"host": "evil"}]


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_gets_the_secret_or_its_token_is_part_of_the_binding(change: dict[str, str]) -> None:
    assert binding() == binding()
    assert binding(**change) != binding()


def test_a_password_does_not_depend_on_the_identity_server() -> None:
    assert binding("auth.password", tenant_id="u") == binding("auth.password")
