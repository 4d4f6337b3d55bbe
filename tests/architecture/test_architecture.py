"""The tree is the architecture: these tests keep it so."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_the_import_contracts_of_the_architecture_hold() -> None:
    """import-linter over `.importlinter`."""
    result = run(str(BIN / "lint-imports"))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(300)
def test_pyright_strict_finds_nothing_in_services_and_shared() -> None:
    """Types are checked, not believed."""
    result = run(str(BIN / "pyright"))
    assert result.returncode == 0, result.stdout[-5000:]


def test_ruff_finds_nothing() -> None:
    """Lint and format are one opinion."""
    check, form = run(str(BIN / "ruff"), "check", "."), run(str(BIN / "ruff"), "format", "--check", ".")
    assert (check.returncode, form.returncode) == (0, 0), check.stdout + form.stdout


def test_no_dependency_is_unused_or_undeclared() -> None:
    """deptry over the imports."""
    result = run(str(BIN / "deptry"), ".")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("stage", ["filter", "classifier", "ticket_writer", "fetcher", "notifier", "bookkeeper"])
def test_every_stage_answers_the_same_questions_in_the_same_files(stage: str) -> None:
    """`__main__` starts, `app` composes, `settings` reads, `handler` does, `ports` asks."""
    here = {path.name for path in (ROOT / "services" / stage).glob("*.py")}
    assert {"__main__.py", "app.py", "settings.py", "handler.py", "ports.py"} <= here


def test_lock_files_have_hashes_and_no_addresses() -> None:
    """What is installed is pinned; where from is the machine's business."""
    of_image = ("requirements.lock", "requirements-tracing.lock")
    for lock in (*of_image, "requirements-dev.lock", "tests/deploy/checkov/requirements.lock"):
        text = (ROOT / lock).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_no_committed_file_names_the_host_of_a_package_registry_or_a_path_of_this_machine() -> None:
    """A checkout works anywhere, and says nothing of where it was made."""
    hosts = [".".join(name) for name in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("crates", "io"))]
    words = [*hosts, f"{ROOT}/"]
    tracked = run("git", "ls-files", "-z").stdout.split("\0")
    assert len(tracked) > 100, "this looks at a git checkout"
    found = [
        (name, word)
        for name in filter(None, tracked)
        for word in words
        if word in (ROOT / name).read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_no_package_is_called_a_drawer_for_everything() -> None:
    """Names say what is inside."""
    drawers = {"utils", "helpers", "common", "manager", "base"}
    found = [
        path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py") if path.stem in drawers
    ]
    assert found == []
