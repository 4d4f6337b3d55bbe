"""TLS for SMTP: certificates and host names are always verified; there is no switch for less."""

import ssl

from shared.domain.errors import ConfigurationError


def context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting the system's authorities, or only those in `ca_file`. Raises ConfigurationError."""
    try:
        made = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the CA file cannot be read ({type(error).__name__})",
            where=ca_file or "system certificates",
            remedy="smtp.caFile names a PEM file of certificates that the notifier may read",
            code="ca_file_unreadable",
        ) from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
