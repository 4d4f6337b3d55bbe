"""Who works at this command line, for the audit log."""

import os
import pwd


def actor() -> str:
    """`cli user`, by the account of this process; its number where it has no name."""
    number = os.getuid()
    try:
        return f"cli {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"cli uid {number}"
