"""What can go wrong at an identity server, named for what to do about it.

Transient
└── ProviderUnavailable      no answer, an error of its own, or too many requests
Permanent
├── SignInRefused            the server answered: these credentials get no token
│   └── SignInNeeded         only a person who signs in (again) can mend it
└── ProviderUntrusted        the server's certificate does not verify
Fatal, ConfigurationError
└── AuthorityRefused         not an address that we may send a secret to
"""

from shared.domain.errors import ConfigurationError, Permanent, Transient


class ProviderUnavailable(Transient):
    """The identity server cannot be used now. `seconds`: how long it asks us to wait; 0 if it does not say."""

    code = "oauth_provider_unavailable"

    def __init__(self, what: str, *, seconds: float = 0, where: str = "") -> None:
        super().__init__(what, where=where, remedy="it is tried again by itself")
        self.seconds = seconds


class SignInRefused(Permanent):
    """No token for these credentials. `code` says which of them is wrong."""

    code = "oauth_refused"


class SignInNeeded(SignInRefused):
    """Asking again would be answered the same until somebody signs in. `code` may say why."""

    code = "sign_in_needed"


class ProviderUntrusted(Permanent):
    """Wrong authority, wrong name, or expired."""

    code = "oauth_certificate_rejected"


class AuthorityRefused(ConfigurationError):
    """Secrets go to Microsoft's clouds and to the servers that the settings name, nowhere else."""

    code = "oauth_authority_refused"
