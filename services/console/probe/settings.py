"""Where the connection test may go, where that is more than public mail servers."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.console.probe.addresses import Rules
from shared.runtime.settings import PREFIX


class ProbeSettings(BaseSettings):
    """Servers that the connection test may reach beside public ones on mail ports (lists are JSON)."""

    model_config = SettingsConfigDict(
        env_prefix=f"{PREFIX}PROBE_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    allow_loopback: bool = Field(default=False, description="Servers on this machine, on any port.")
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description='Private networks with mail servers, for example `["10.1.0.0/16"]`.'
    )
    allow_ports: frozenset[int] = Field(default=frozenset(), description="Ports beside 143, 993, 25, 465, 587, 2525.")

    def rules(self, *, allow_loopback: bool = False, hide_refusals: bool = True) -> Rules:
        """The rules, for a caller who may allow this machine's own servers."""
        return Rules(allow_loopback or self.allow_loopback, self.allow_networks, self.allow_ports, hide_refusals)
