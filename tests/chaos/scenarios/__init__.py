"""Every scenario, in the order in which they are run."""

from tests.chaos.scenarios import (
    broker,
    clock,
    crash_points,
    frozen,
    full_disk,
    kills,
    links,
    mail_server,
    smtp,
    soak,
    store,
)

SCENARIOS = (
    *kills.SCENARIOS,
    *frozen.SCENARIOS,
    *broker.SCENARIOS,
    *store.SCENARIOS,
    *mail_server.SCENARIOS,
    *full_disk.SCENARIOS,
    *clock.SCENARIOS,
    *links.SCENARIOS,
    *smtp.SCENARIOS,
    *crash_points.SCENARIOS,
    *soak.SCENARIOS,
)
