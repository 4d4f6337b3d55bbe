"""Requests are counted by what they asked for, never by whom or what it was about."""

from shared.domain.access import Role
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support.console import running_console
from tests.support.embedded_store import FakeClock


async def test_requests_are_counted_by_route_and_status(store: Store, clock: FakeClock) -> None:
    """A path holds names and ids: the route as declared is the label, and one for all that is no route."""
    metrics = Metrics("console", "0")
    async with running_console(store, clock, metrics=metrics) as console:
        await console.people()
        async with await console.signed_in(Role.VIEWER) as viewer, console.person() as stranger:
            await viewer.get("/mailboxes/a-secret-name")
            await viewer.get("/nowhere/a-secret-name")
            await viewer.get("/api/v1/mailboxes/a-secret-name")
            await stranger.get("/api/v1/mailboxes")

    def count(method: str, route: str, status: int) -> float | None:
        labels = {"method": method, "route": route, "status": str(status)}
        return metrics.registry.get_sample_value("mail_automator_http_requests_total", labels)

    assert count("GET", "/mailboxes/{name}", 404) == 1
    assert count("GET", "none", 404) == 1
    assert count("GET", "/api/v1/mailboxes/{name}", 404) == 1
    assert count("GET", "/api/v1/mailboxes", 401) == 1
    seconds = "mail_automator_http_request_duration_seconds_count"
    assert metrics.registry.get_sample_value(seconds, {"area": "api"}) == 2
    assert b"a-secret-name" not in metrics.exposition()
