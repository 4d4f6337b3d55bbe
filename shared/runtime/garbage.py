"""How often Python looks for garbage in cycles: less often than by itself, and not among what was imported."""

import gc

MORE = 50_000
"""Objects more than at the last look, upon which it looks again."""


def collect_rarely() -> None:
    """For a process that has imported what it needs.

    A batch of mails makes some ten thousand objects that live until its end, and hardly a cycle: looking through them
    each time that 700 more are there costs more than it finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MORE, 20, 20)
