"""Composes the classifier: settings, doors, handler, consume loop."""

from services.classifier.handler import Classifier
from services.classifier.settings import ClassifierSettings
from shared.broker import topology
from shared.contracts.messages import EmailAccepted
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.process import Process
from shared.runtime.settings import read
from shared.runtime.stage import doors


async def main(process: Process) -> None:
    """Run until the process drains."""
    settings = read(ClassifierSettings, process.environ)
    async with doors(process) as open_doors:
        lane = Lane("classifier", topology.CLASSIFIER, settings.window, settings.batch)
        handler = Classifier(open_doors.configuration)
        await Consumer(
            process, open_doors.broker, lane, EmailAccepted, handler, open_doors.store.ledger, open_doors.event_source
        ).run()
