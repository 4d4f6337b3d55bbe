"""What can go wrong between us and a mail server, named for what to do about it.

    Transient
    ├── NetworkTrouble       no answer, connection lost, a deadline passed
    ├── ServerTrouble        the server answered, and could not
    │   ├── MessageTrouble   the server cannot give these mails; the connection is fine
    │   └── ProtocolBroken   what the server sends is no IMAP, or more than it may be
    ├── Throttled            the server asks us to wait
    └── LeaseLost            another fetcher has the mailbox now
    Permanent
    ├── AuthenticationRejected   proven: user name or password is refused
    │   └── SignInNeeded         only a person who signs in (again) can mend it
    ├── CertificateRejected      the server's certificate does not verify
    ├── EncryptionMissing        the server offers no TLS where TLS was asked for
    ├── FolderMissing            the folder does not exist
    └── ServerBroken             the server breaks the protocol again and again: it is set aside

No message holds a secret. A server's own words are shown shortened and printable.
"""

from collections.abc import Sequence

from shared.domain.errors import Permanent, Transient


class NetworkTrouble(Transient):
    """No connection, a lost one, or no answer in time."""

    code = "network_trouble"


class ServerTrouble(Transient):
    """The server answered with an error, or with something that is not IMAP."""

    code = "server_trouble"


class MessageTrouble(ServerTrouble):
    """The server answered NO or BAD to a FETCH; other mails may be fine."""

    code = "message_trouble"


class ProtocolBroken(ServerTrouble):
    """What the server sends makes no sense, or is more than an answer may be: the connection is of no use."""

    code = "protocol_error"


class Throttled(Transient):
    """The server asks us to stay away for `seconds`."""

    code = "throttled"

    def __init__(self, what: str, *, seconds: float, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.seconds = seconds


class LeaseLost(Transient):
    """The lease on a mailbox ran out or belongs to another fetcher."""

    code = "lease_lost"


class AuthenticationRejected(Permanent):
    """The server refused this user name and password."""

    code = "authentication_rejected"


class SignInNeeded(AuthenticationRejected):
    """Nobody has signed in, or the sign-in works no more. Waited for, not tried again."""

    code = "sign_in_needed"


class CertificateRejected(Permanent):
    """The certificate does not verify: wrong authority, wrong name, or expired."""

    code = "certificate_rejected"


class EncryptionMissing(Permanent):
    """STARTTLS is not offered, or there is clear text before it. We never go on without TLS."""

    code = "encryption_missing"


class ServerBroken(Permanent):
    """So many connections in a row ended with ProtocolBroken that the mailbox is set aside for a while."""

    code = "server_broken"


class FolderMissing(Permanent):
    """The folder does not exist. `folders` are the ones that do."""

    code = "folder_missing"

    def __init__(self, what: str, *, folders: Sequence[str], where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.folders = tuple(folders)
