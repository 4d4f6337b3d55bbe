"""Runs the demonstration."""

import sys

from services.all_in_one.demo.app import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
