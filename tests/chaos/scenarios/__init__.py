"""Every scenario, in the order in which they are run."""

from tests.chaos.scenarios import broker, crash_points, deployments, kills, links, mail_server, smtp, store

SCENARIOS = (
    *kills.SCENARIOS,
    *broker.SCENARIOS,
    *store.SCENARIOS,
    *mail_server.SCENARIOS,
    *links.SCENARIOS,
    *smtp.SCENARIOS,
    *deployments.SCENARIOS,
    *crash_points.SCENARIOS,
    *broker.LAST,
)
