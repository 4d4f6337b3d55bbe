"""Channel binding: a proof of who we are that is good on this TLS connection alone."""

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


def end_point(certificate: bytes) -> bytes | None:
    """`tls-server-end-point` (RFC 5929 section 4.1) of a certificate in DER.

    None where it is not defined: a signature without a hash algorithm, such as Ed25519.
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return b"tls-server-end-point:" + hashlib.new(name, certificate).digest()
