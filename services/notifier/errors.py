"""What can go wrong between us and an SMTP server, named for what to do about it.

    Transient
    ├── ServerTrouble            of the mailbox's sending: no connection, lost before the final dot, busy
    └── PutOff                   of this mail: the server wants it later (4xx)
    Permanent
    ├── Refused                  of this mail: the server does not want it (5xx)
    ├── AuthenticationRejected   of the mailbox's sending: user name, password or token is refused
    ├── CertificateRejected      of the mailbox's sending: the certificate does not verify
    └── EncryptionMissing        of the mailbox's sending: no TLS where TLS was asked for
    Unanswered                   the final dot was sent, and nothing came back: nobody knows

No message holds a secret. A server's own words are shown shortened and printable.
"""

from shared.domain.errors import AutomatorError, Permanent, Transient


class ServerTrouble(Transient):
    """The server cannot be used now. Nothing was sent."""

    code = "smtp_trouble"


class PutOff(Transient):
    """The server wants this mail later."""

    code = "put_off"


class Refused(Permanent):
    """The server does not want this mail."""

    code = "refused"


class AuthenticationRejected(Permanent):
    """The server, or the identity server, refuses to sign us in."""

    code = "authentication_rejected"


class CertificateRejected(Permanent):
    """The certificate does not verify: wrong authority, wrong name, or expired."""

    code = "certificate_rejected"


class EncryptionMissing(Permanent):
    """The server offers no STARTTLS. We never go on without TLS."""

    code = "encryption_missing"


class Unanswered(AutomatorError):
    """The whole mail was sent, and no reply came: it may have been taken or not."""

    code = "no_reply"
