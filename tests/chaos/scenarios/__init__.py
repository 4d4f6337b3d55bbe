"""Every scenario, in the order in which they are run."""

from tests.chaos.scenarios import broker, crash_points, kills, links, mail_server, smtp, soak, store, windows

SCENARIOS = (
    *kills.SCENARIOS,
    *broker.SCENARIOS,
    *store.SCENARIOS,
    *mail_server.SCENARIOS,
    *links.SCENARIOS,
    *smtp.SCENARIOS,
    *crash_points.SCENARIOS,
    *windows.SCENARIOS,
    *soak.SCENARIOS,
)
