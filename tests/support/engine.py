"""Whether a container engine answers here (Docker's socket, or podman's through DOCKER_HOST)."""

from functools import cache


@cache
def container_engine() -> bool:
    """True if an engine answers a ping within 3 s. Asked once per test run."""
    import docker

    try:
        client = docker.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # noqa: BLE001 - no socket, no permission, no engine: all mean "no"
        return False
