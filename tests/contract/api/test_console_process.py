"""The console as a process of its own: it composes, listens, and knows the address that browsers come back to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from shared.domain.access import Role
from shared.store.client import Store
from shared.store.settings import StoreSettings


@pytest.fixture
def console(store_settings: StoreSettings) -> Iterator[subprocess.Popen[str]]:
    environ = {
        "PATH": os.defpath,
        "MAIL_AUTOMATOR_STORE_URL": store_settings.url.get_secret_value(),
        "MAIL_AUTOMATOR_STORE_DATABASE": store_settings.database,
        "MAIL_AUTOMATOR_STORE_KEY_FILE": str(store_settings.key_file),
        "MAIL_AUTOMATOR_CONSOLE_PORT": "0",
        "MAIL_AUTOMATOR_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "services.console"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    process.terminate()
    process.wait(timeout=30)


def port_of(process: subprocess.Popen[str]) -> int:
    for line in process.stdout or ():
        found = json.loads(line)
        if found["event"] == "listening":
            return int(found["port"])
    raise AssertionError("the console has ended")


async def test_a_link_leads_back_to_the_console_that_made_it_and_is_in_no_log(
    console: subprocess.Popen[str], store: Store, body
) -> None:
    url = f"http://localhost:{port_of(console)}"
    _, secret = await store.api_tokens.create("a person", Role.EDITOR, created_by="a test")
    auth = {"type": "oauth2_microsoft", "flow": "delegated", "clientId": "c", "tenantId": "t.example"}
    headers = {"Authorization": f"Bearer {secret.get_secret_value()}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        made = await client.post("/api/v1/mailboxes", json=body("support", auth=auth, provider="microsoft"))
        answer = await client.post("/api/v1/mailboxes/support/sign-in")
    assert (made.status_code, made.json()["signIn"]["needed"]) == (201, True)
    assert (answer.status_code, answer.json()["link"].startswith(f"{url}/sign-in/")) == (201, True)
    async with httpx.AsyncClient() as browser:
        shown = await browser.get(answer.json()["link"])
        await browser.get(f"{url}/sign-in/callback?state=canary-state&code=canary-code")
    assert (shown.status_code, "Continue to Microsoft" in shown.text) == (200, True)
    console.terminate()
    said, _ = console.communicate(timeout=30)
    assert '"stopped"' in said
    assert [one for one in (answer.json()["link"].rpartition("/")[2], "canary") if one in said] == []
