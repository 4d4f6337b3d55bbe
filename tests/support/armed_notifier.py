"""The notifier as a process of its own that ends itself at one of its crash points: `NAME:HIT:MARKER[:stop]`."""

import sys

from services.notifier.app import main
from shared.observability.crash_points import arm
from shared.runtime.process import run_service

if __name__ == "__main__":
    if len(sys.argv) > 1:
        arm(sys.argv[1])
    run_service("notifier", main)
