"""Samba's `ntlm_auth --helper-protocol=squid-2.5-ntlmssp`, for Dovecot's winbind mechanism, around pyspnego's acceptor.

Reads `YR <negotiate>` and `KK <authenticate>`; answers `TT <challenge>`, `AF <user>`, `NA <reason>` or `BH <trouble>`.
Its users come from NTLM_USER_FILE, the certificate that clients must be bound to (if any) from NTLM_CERTIFICATE.
"""

import base64
import sys
from collections.abc import Iterator

from tests.support.ntlm import acceptor


def answers(lines: Iterator[str]) -> Iterator[str]:
    """One answer per request; a new `YR` begins anew."""
    context = acceptor()
    for line in lines:
        kind, _, message = line.strip().partition(" ")
        if kind == "YR":
            context = acceptor()
        try:
            token = context.step(base64.b64decode(message))
        except Exception as error:  # noqa: BLE001 - whatever it is, this client is not let in
            yield f"NA {type(error).__name__}"
            continue
        yield f"TT {base64.b64encode(token).decode()}" if token else f"AF {context.client_principal}"


if __name__ == "__main__":
    for answer in answers(sys.stdin):
        print(answer, flush=True)
