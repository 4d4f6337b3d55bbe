"""The image, built once for all tests of it; they are skipped, with the reason, where no container can run."""

import os
from pathlib import Path

import pytest

from tests.image.engine import FOLDER, Engine, Failed, reason_not_to_run

IMAGE = "localhost/mail-automator:checked"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """podman over the storage that the environment names."""
    if reason := reason_not_to_run():
        pytest.skip(reason)
    return Engine(Path(os.environ[FOLDER]))


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The name of the image as this checkout makes it. Tests are skipped if it cannot be run, not if it cannot be
    built."""
    engine.build(IMAGE)
    try:
        _ = engine.way
    except Failed as error:
        pytest.skip(f"podman runs no container here: {error}")
    return IMAGE
