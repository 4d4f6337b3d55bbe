"""Every scenario, in the order in which they are run."""

from tests.chaos.scenarios import (
    broker,
    configuration,
    crash_points,
    deployments,
    hostile_mail,
    kills,
    links,
    mail_server,
    memory,
    oauth,
    smtp,
    store,
)

SCENARIOS = (
    *kills.SCENARIOS,
    *broker.SCENARIOS,
    *store.SCENARIOS,
    *mail_server.SCENARIOS,
    *links.SCENARIOS,
    *smtp.SCENARIOS,
    *oauth.SCENARIOS,
    *memory.SCENARIOS,
    *configuration.SCENARIOS,
    *hostile_mail.SCENARIOS,
    *deployments.SCENARIOS,
    *crash_points.SCENARIOS,
    *broker.LAST,
)
