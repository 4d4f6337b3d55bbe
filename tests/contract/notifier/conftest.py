"""aiosmtpd warns of sign-ins without STARTTLS also where the whole connection is TLS."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "contract/notifier" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("ignore:Requiring AUTH"))
