"""schemathesis over the live OpenAPI document: generated requests meet no server error and no undeclared answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.access import Role
from tests.support.builders import AT, entry

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth"
)
"""Not `positive_data_acceptance`: what a schema cannot say (a service that exists, an address, If-Match) is refused
with 4xx on purpose. Not `negative_data_rejection`: API and YAML share one model, which reads "993" as a number."""


@pytest.mark.timeout(120)
async def test_generated_requests_find_no_server_error_and_no_undeclared_answer(api, body, tmp_path: Path) -> None:
    import asyncio

    await api("POST", "/mailboxes", json=body("a"))
    await api.store.ledger.insert_many([entry("m1", stored_at=AT)])
    command = [
        Path(sys.executable).with_name("schemathesis"),
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
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "Tested: 22" in ran.stdout or "22 passed" in ran.stdout, ran.stdout[-3000:]
