"""schemathesis over the live OpenAPI document: generated requests meet no server error and no undeclared answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.console.api.routes import ROUTES
from shared.domain.access import Role
from tests.support.builders import AT, entry

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth,positive_data_acceptance,negative_data_rejection"
)
"""Every check that needs one request only. `positive_data_acceptance` by CONFIG: a request that the document allows is
accepted, but where somebody else was faster (412), or where a schema cannot say it all (422). And by it, a request that
the document forbids is refused, be it that somebody else was faster."""

ACCEPTED = "['2xx', '401', '403', '404', '409', '412', '429']"
REFUSED = "['400', '401', '403', '404', '405', '409', '412', '413', '415', '422', '428', '429']"
BEYOND_A_SCHEMA = {
    "an address, a host, a name of the catalogue": r"^/api/v1/mailboxes(|/test|/\{name\}(|/test|/backtest))$",
    "an address": r"^/api/v1/defaults$",
    "a name of the catalogue": r"^/api/v1/catalogue(|/backtest)$",
    "a cursor of ours": r"^/api/v1/(audit|mails|quarantine|tickets)$",
}
"""Where a request can be wrong in a way that JSON Schema has no words for: what it is, and the paths."""

CONFIG = "\n".join(
    [
        "[checks]",
        f"positive_data_acceptance.expected-statuses = {ACCEPTED}",
        f"negative_data_rejection.expected-statuses = {REFUSED}",
        *(
            f"[[operations]]\ninclude-path-regex = '{paths}'\n[operations.checks]\n"
            f"positive_data_acceptance.expected-statuses = {ACCEPTED[:-1]}, '422']"
            for paths in BEYOND_A_SCHEMA.values()
        ),
    ]
)


@pytest.mark.timeout(120)
async def test_generated_requests_find_no_server_error_and_no_undeclared_answer(api, body, tmp_path: Path) -> None:
    import asyncio

    await api("POST", "/mailboxes", json=body("a"))
    await api.store.ledger.insert_many([entry("m1", stored_at=AT)])
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={config}",
        "run",
        f"{api.url}/api/v1/openapi.json",
        f"--header=Authorization: Bearer {api.tokens[Role.ADMINISTRATOR]}",
        f"--checks={CHECKS}",
        "--max-examples=10",
        "--phases=examples,fuzzing",
        "--seed=7",
        "--no-color",
    ]
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    ran = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, timeout=90, env=env, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout[-60000:] + ran.stderr[-2000:]
    assert f"Tested: {len(ROUTES)}" in ran.stdout or f"{len(ROUTES)} passed" in ran.stdout, ran.stdout[-3000:]
