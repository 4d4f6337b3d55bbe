"""The demo's mails, mailbox by mailbox: each written to show one thing, each with the end it must come to."""

from services.all_in_one.demo.mails.requests import REQUESTS
from services.all_in_one.demo.mails.strict import STRICT
from services.all_in_one.demo.mails.support import SUPPORT

LETTERS = (*SUPPORT, *REQUESTS, *STRICT)
"""All of them, in the order they are delivered."""
