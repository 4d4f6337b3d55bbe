"""Starts everything on this machine."""

import sys

from services.all_in_one.app import run

if __name__ == "__main__":
    run(sys.argv[1:])
