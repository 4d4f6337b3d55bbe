"""Starts the filter."""

from services.filter.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("filter", main)
