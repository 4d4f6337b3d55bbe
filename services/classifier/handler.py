"""Gives each accepted mail its place in the catalogue. Writes nothing: its trace travels with the mail."""

from collections.abc import Sequence

from services.classifier.decide import decide
from services.classifier.ports import Configuration
from shared.broker.messages import Outgoing
from shared.broker.topology import MAIL
from shared.contracts.codec import encode
from shared.contracts.messages import EmailAccepted, EmailClassified
from shared.domain.decision import Classification, Step, Verdict
from shared.runtime.consume.outcome import Outcome, Result

_CARRIED = tuple(name for name in EmailAccepted.model_fields if name != "trace")
"""What a mail takes along as it is."""

_MAILBOX_GONE = Step(
    stage="classifier",
    rule="mailbox_deleted",
    verdict=Verdict.DEFAULTED,
    sentence="The mailbox was deleted while the mail was in flight; it was not classified.",
)


class Classifier:
    """The handler of email.accepted."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def handle(self, messages: Sequence[EmailAccepted]) -> Sequence[Result]:
        """Classify each mail under the configuration of now."""
        return [await self._classify(mail) for mail in messages]

    async def settle(self, messages: Sequence[EmailAccepted], outcomes: Sequence[Result]) -> None:
        """Nothing to settle: the successor is published, that is all."""

    async def _classify(self, mail: EmailAccepted) -> Outcome:
        mailbox = await self._configuration.mailbox(mail.mailbox)
        catalogue = self._configuration.snapshot.catalogue
        if mailbox is None:
            classification, steps = Classification(), (_MAILBOX_GONE,)
        else:
            classification, steps = decide(mail.email, mailbox, catalogue)
        successor = EmailClassified(
            **{name: getattr(mail, name) for name in _CARRIED},
            trace=(*mail.trace, *steps),
            catalogue_revision=catalogue.revision,
            classification=classification,
        )
        return Outcome("classified", "", (Outgoing(MAIL, EmailClassified.TYPE, encode(successor)),))
