"""Every scenario, in the order in which they are run."""

from tests.chaos.scenarios import (
    broker,
    clock,
    configuration,
    crash_points,
    deployments,
    frozen,
    full_disk,
    hostile_mail,
    kills,
    links,
    mail_server,
    memory,
    oauth,
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
    *oauth.SCENARIOS,
    *memory.SCENARIOS,
    *configuration.SCENARIOS,
    *hostile_mail.SCENARIOS,
    *deployments.SCENARIOS,
    *crash_points.SCENARIOS,
    *soak.SCENARIOS,
)
