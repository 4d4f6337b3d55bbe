"""Switches tracing on, where it is asked for. Where it is not, nothing of OpenTelemetry is imported."""

import os
import socket
from urllib.parse import urlsplit

from shared.domain.errors import ConfigurationError
from shared.observability.tracing import Attributes, Tracing
from shared.runtime.settings import PREFIX, TracingSettings

_SIGNAL_PATH = "/v1/traces"


def start(service: str, version: str, settings: TracingSettings) -> Tracing | None:
    """Tracing as the settings want it; None if it is off. Raises ConfigurationError."""
    if not settings.endpoint:
        return None
    headers = _headers(settings.headers.get_secret_value() if settings.headers else "")
    try:
        from shared.observability.otel import over_http
    except ImportError as error:
        raise ConfigurationError(
            f"tracing is on, but OpenTelemetry is not installed ({error.name})",
            where=f"{PREFIX}TRACING_ENDPOINT",
            remedy="pip install 'mail-automator[tracing]', or unset it",
            code="tracing_not_installed",
        ) from None
    return over_http(_address(settings.endpoint), headers, settings.ratio, _resource(service, version, settings))


def _address(endpoint: str) -> str:
    """A collector without a path takes traces where the OTLP specification says."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _SIGNAL_PATH


def _resource(service: str, version: str, settings: TracingSettings) -> Attributes:
    said: Attributes = {
        "service.name": f"mail-automator-{service.replace('_', '-')}",
        "service.namespace": "mail-automator",
        "service.version": version,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return said | ({"deployment.environment.name": settings.deployment} if settings.deployment else {})


def _headers(given: str) -> dict[str, str]:
    pairs = [one.partition("=") for part in given.split(",") if (one := part.strip())]
    if any(not (name.strip() and equals and name.isascii() and value.isprintable()) for name, equals, value in pairs):
        raise ConfigurationError(
            "it is not of the form name=value,name=value",
            where=f"{PREFIX}TRACING_HEADERS",
            remedy="correct or unset it",
            code="settings_invalid",
        )
    return {name.strip(): value.strip() for name, _, value in pairs}
