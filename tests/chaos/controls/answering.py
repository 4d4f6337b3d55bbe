"""What keeps an acknowledgement from being sent twice, or to a machine."""

from tests.chaos.controls.control import Control, Patch

CONTROLS = (
    Control(
        "resend-after-dot",
        "an acknowledgement whose final dot was not answered is sent again",
        (
            Patch(
                "services/notifier/delivery.py",
                "        except (PutOff, ServerTrouble) as error:\n",
                "        except (PutOff, ServerTrouble, Unanswered) as error:\n",
            ),
        ),
        "W10",
        "doubled I11 ",
    ),
    Control(
        "resend-after-kill",
        "an acknowledgement that a killed notifier may have sent is sent again",
        (
            Patch(
                "services/notifier/keeper.py",
                "        state, sentence = UNKNOWN,",
                "        state, sentence = PENDING,",
            ),
        ),
        "W11",
        "doubled I11 ",
    ),
    Control(
        "data-started-after-dot",
        "that the final dot goes out is not written down before it does",
        (
            Patch(
                "services/notifier/delivery.py",
                "            await hold.begin_data(self._clock.now())\n",
                "            pass\n",
            ),
        ),
        "W11",
        "doubled I11 ",
    ),
    Control(
        "answers-to-machines",
        "automatic mail is acknowledged like a person's",
        (
            Patch(
                "services/notifier/conditions/automatic.py",
                "    mail = asked.answerable\n",
                "    mail = asked.answerable\n    return None\n",
            ),
        ),
        "W1",
        "unexpected I11 an acknowledgement to whom none is due",
    ),
)
