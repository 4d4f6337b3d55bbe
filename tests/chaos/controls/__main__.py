"""Switches safeties off, one by one: `python -m tests.chaos.controls [--only NAME,NAME]`.

Each probe must be green on the code as it is, once, and red on the copy without the safety, with what is expected of
it. Exit code 0 only if all were.
"""

import argparse
import sys
import time

from tests.chaos.controls import CONTROLS
from tests.chaos.controls.control import Control
from tests.chaos.controls.probing import Verdict, copied, probe

ROW = "{:<24} {:<6} {:<6} {:>8}  {}"


def main() -> int:
    """The whole table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.controls", description=__doc__)
    parser.add_argument("--only", default="", help="names of controls, separated by commas")
    wanted = set(filter(None, parser.parse_args().only.split(",")))
    chosen = [one for one in CONTROLS if not wanted or one.name in wanted]
    print(ROW.format("control", "before", "after", "seconds", "what it said"), flush=True)
    healthy: dict[str, Verdict] = {}
    good = [_shown(one, healthy) for one in chosen]
    print(f"{sum(good)} of {len(good)} controls were red as expected", flush=True)
    return 0 if good and all(good) else 1


def _shown(control: Control, healthy: dict[str, Verdict]) -> bool:
    began = time.monotonic()
    before = healthy.get(control.probe) or _probed(control, switched_off=False)
    healthy[control.probe] = before
    after = _probed(control, switched_off=True) if before.green else before
    red = before.green and not after.green and after.says(control.expects)
    words = ("green" if before.green else "RED", "red" if red else "GREEN" if after.green else "other")
    print(ROW.format(control.name, *words, f"{time.monotonic() - began:.0f}", after.short), flush=True)
    return red


def _probed(control: Control, *, switched_off: bool) -> Verdict:
    with copied(control.patches if switched_off else ()) as copy:
        return probe(control.probe, copy)


if __name__ == "__main__":
    sys.exit(main())
