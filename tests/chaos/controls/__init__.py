"""Negative controls: the tests have teeth. Each safety is switched off in a copy, and the suite must turn red.

A control that stays green is a hole in the harness.
"""

from tests.chaos.controls import answering, carrying, deciding, fetching

CONTROLS = (*fetching.CONTROLS, *carrying.CONTROLS, *deciding.CONTROLS, *answering.CONTROLS)
