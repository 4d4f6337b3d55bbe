"""How msal talks to identity servers: https to allowed places only, no redirects, deadlines, small answers.

Proxies of the environment are used (HTTPS_PROXY). Runs in a worker thread; must never be called on the event loop.
"""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlencode

from shared.domain.errors import ConfigurationError
from shared.oauth.authorities import Place, origin_of
from shared.oauth.errors import AuthorityRefused, ProviderUnavailable, ProviderUntrusted

LARGEST = 256 * 1024
"""Bytes of an answer; the largest real ones take a few KiB."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What msal reads of an answer."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Nothing to raise: what is not an answer to us has been raised already."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the secret elsewhere: it stays an answer with status 3xx."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Never."""


class IdentityHttp:
    """A client for one place. `refused` is the body of the last answer with status 4xx: msal drops some of them."""

    def __init__(self, place: Place, timeout: float, where: str) -> None:
        self._place = place
        self._timeout = timeout
        self._where = where
        secure = urllib.request.HTTPSHandler(context=_context(place, where))
        self._opener = urllib.request.build_opener(secure, _NoRedirect())
        self.refused = ""

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: object
    ) -> Reply:
        """GET. Raises ProviderUnavailable, ProviderUntrusted, AuthorityRefused."""
        return self._send(url, params, headers, None)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Reply:
        """POST a form. Raises as `get`."""
        return self._send(url, params, headers, urlencode(data or {}).encode())

    def close(self) -> None:
        """No connection is kept."""

    def _send(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Reply:
        if origin_of(url) not in self._place.origins:
            raise AuthorityRefused(
                "the identity server names an endpoint at another place", where=self._where, remedy="check authority"
            )
        full = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}" if params else url
        request = urllib.request.Request(full, data=body, headers=dict(headers or {}))  # noqa: S310 - https, see above
        try:
            reply = self._answer(request)
        except (OSError, http.client.HTTPException) as error:
            raise self._trouble(error) from None
        if reply.status_code == 429 or reply.status_code >= 500 or 300 <= reply.status_code < 400:
            raise self._busy(reply)
        if reply.status_code >= 400:
            self.refused = reply.text
        return reply

    def _answer(self, request: urllib.request.Request) -> Reply:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return _reply(answer)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error)

    def _busy(self, reply: Reply) -> ProviderUnavailable:
        asked = reply.headers.get("retry-after", "")
        seconds = float(asked) if asked.isdigit() else 0.0
        return ProviderUnavailable(
            f"the identity server answers {reply.status_code}", seconds=seconds, where=self._where
        )

    def _trouble(self, error: Exception) -> ProviderUnavailable | ProviderUntrusted:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ProviderUntrusted(
                f"the identity server's certificate does not verify: {reason.verify_message}",
                where=self._where,
                remedy="for a private identity server name its authority's PEM file in MAIL_AUTOMATOR_OAUTH_CA_FILE",
            )
        said = getattr(reason, "strerror", None) or type(reason).__name__
        return ProviderUnavailable(f"the identity server does not answer: {said}", where=self._where)


def _reply(answer: http.client.HTTPResponse | urllib.error.HTTPError) -> Reply:
    body = answer.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise http.client.HTTPException("answer too large")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status or 0, body.decode("utf-8", "replace"), headers)


def _context(place: Place, where: str) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if place.ca_file is not None:
        try:
            made.load_verify_locations(cafile=place.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"the CA file of the identity server cannot be read ({type(error).__name__})",
                where=where,
                remedy="MAIL_AUTOMATOR_OAUTH_CA_FILE names a PEM file that this process may read",
                code="ca_file_unreadable",
            ) from None
    return made
