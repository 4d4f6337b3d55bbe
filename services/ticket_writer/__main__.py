"""Starts the ticket writer."""

from services.ticket_writer.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("ticket_writer", main)
