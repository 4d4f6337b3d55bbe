"""What the machine can do, measured in the same run as everything else, so that runs compare as ratios."""

import email
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from email import policy
from email.message import EmailMessage
from pathlib import Path

from shared.mail.parse import parse

SAMPLE = 500


def calibrate(mails: Sequence[bytes]) -> dict[str, float]:
    """CPU milliseconds per mail of a pure parse on one core: by the standard library's `policy.default`, headers and
    text, and by our parser."""
    sample = mails[:SAMPLE]
    return {
        "policy_default": _milliseconds(parsed_by_the_standard_library, sample),
        "parser": _milliseconds(parse, sample),
    }


def described() -> dict[str, object]:
    """The machine, as far as figures depend on it, and the version that ran."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _milliseconds(work: Callable[[bytes], object], mails: Sequence[bytes]) -> float:
    started = time.process_time()
    for raw in mails:
        work(raw)
    return round(1000 * (time.process_time() - started) / len(mails), 3)


def parsed_by_the_standard_library(raw: bytes) -> None:
    """The yardstick: headers and text as `policy.default` gives them."""
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for name, _ in message.items():
        str(message[name])
    text = message.get_body(("plain", "html"))
    if text is not None:
        text.get_content()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"
