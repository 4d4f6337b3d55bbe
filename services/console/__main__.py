"""Starts the console."""

from services.console.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("console", main)
