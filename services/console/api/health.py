"""Whether the API works, and how the mailboxes are. Probes of an orchestrator belong on the admin port."""

from collections import Counter

from services.console.api.surroundings import Here
from services.console.api.views import HealthView, StatusView


async def show(here: Here) -> HealthView:
    """Ask the store, and count the mailboxes by state. 503 if the store does not answer."""
    await here.store.ping()
    statuses = await here.store.runtime.statuses()
    states = Counter(StatusView.of(one, statuses.get(one.name)).state for one in await here.store.mailboxes.all())
    return HealthView(
        status="ok",
        version=here.version,
        time=here.clock.now(),
        configuration=await here.store.config.generation(),
        mailboxes=dict(states),
    )
