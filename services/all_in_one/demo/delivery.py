"""Delivers demo mails as a mail server's delivery agent does, and remembers by what each is found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.all_in_one.demo.mails.letter import Expected, Letter, render
from services.all_in_one.demo.preparation import LOGINS, Premises
from shared.domain.email import Headline
from shared.mail.headline import headline
from shared.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail that lies in its mailbox: which one, how it must end, what the ledger will call it, since when."""

    letter: Letter
    expected: Expected
    headline: Headline
    at: datetime

    @property
    def key(self) -> tuple[str, Headline]:
        """By what it is found in the ledger. Copies, and mails made to look alike, share it."""
        return self.letter.mailbox, self.headline


def deliver(premises: Premises, letters: Sequence[Letter], token: str, clock: Clock) -> list[Delivered]:
    """Deliver letters in order, each as often as it has ends."""
    return [mail for letter in letters for mail in _deliver(premises, letter, token, clock)]


def _deliver(premises: Premises, letter: Letter, token: str, clock: Clock) -> list[Delivered]:
    now = clock.now()
    raw = render(letter, token, now)
    for _ in letter.ends:
        premises.dovecot.deliver(LOGINS[letter.mailbox], raw, received=now)
    return [Delivered(letter, expected, headline(raw), clock.now()) for expected in letter.ends]
