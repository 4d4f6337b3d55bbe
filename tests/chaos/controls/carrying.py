"""What keeps mail on the belt, and puts back what fell off it."""

from tests.chaos.controls.control import Control, Patch

NO_RECONCILER = Patch(
    "services/bookkeeper/handler.py",
    "        claimed = [entry for entry in entries if await self._ledger.claim(entry, now)]\n",
    "        claimed: list[LedgerEntry] = []\n",
)
ACK_FIRST = (
    Patch(
        "shared/runtime/consume/loop.py",
        "        outcomes = await self._patiently(pairs, lambda: self._once(messages, tried_alone))\n",
        "        for _, delivery in pairs:\n"
        "            await delivery.ack()\n"
        "        outcomes = await self._patiently(pairs, lambda: self._once(messages, tried_alone))\n",
    ),
    Patch(
        "shared/runtime/consume/loop.py",
        '    await acknowledge(deliveries)\n    crash_point("stage.after_ack")\n',
        '    crash_point("stage.after_ack")\n',
    ),
)

CONTROLS = (
    Control(
        "ack-before-publish",
        "messages are acknowledged before the work, and the reconciler, which would put their mails back, is off",
        (*ACK_FIRST, NO_RECONCILER),
        "W5",
        "lost I2 .*stored, no failure",
    ),
    Control(
        "no-mandatory",
        "what reaches no queue is confirmed and dropped",
        (Patch("shared/broker/client.py", "mandatory=one.mandatory", "mandatory=False"),),
        "W4",
        "lost I2 .*stored, no failure",
    ),
    Control(
        "no-reconciler",
        "nothing is put back at its start",
        (NO_RECONCILER,),
        "W2",
        "lost I2 .*stored, no failure",
    ),
    Control(
        "attempts-by-broker",
        "only the broker counts attempts, so what a dying process held counts against each mail",
        (
            Patch(
                "shared/runtime/consume/loop.py",
                "{message.mail_id: times_alone(known.get(message.mail_id), self._lane.stage) for message, _ in alone}",
                "{message.mail_id: delivery.deliveries for message, delivery in alone}",
            ),
        ),
        "W6",
        "unexpected I2 .*quarantined, kills_worker",
    ),
)
