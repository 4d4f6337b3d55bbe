"""An OpenID provider of our own, for tests: speaks to msal over TLS, and to a mail server that checks tokens.

Discovery, a token endpoint that checks client and secret, and introspection (RFC 7662). Its refusals carry Microsoft's
codes. Loopback only.
"""

import base64
import json
import secrets
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from services.all_in_one.demo.certificates import ensure_certificates
from services.all_in_one.process import free_ports
from shared.oauth.authorities import Authorities
from tests.support.canary import WORD

TENANT = "11111111-2222-3333-4444-555555555555"
SCOPE = "https://outlook.office365.com/.default"


@dataclass
class Client:
    """A registered application: its secret, and the mailboxes that its tokens open."""

    secret: str
    mailbox: str
    expired: bool = False
    consented: bool = True


@dataclass
class Issued:
    """A token and until when it is good (Unix time)."""

    client_id: str
    until: float


@dataclass
class Provider:
    """The provider. Tests change its fields while it runs. Times are in seconds."""

    folder: Path
    clients: dict[str, Client] = field(default_factory=dict)
    lifetime: int = 3600
    jwt: bool = True
    roles: tuple[str, ...] = ("IMAP.AccessAsApp",)
    delay: float = 0
    busy: int = 0
    retry_after: str = ""
    requests: list[str] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.certificates = ensure_certificates(self.folder / "tls", datetime.now(UTC))
        self.port, self.introspection_port = free_ports(2)
        self._servers: list[ThreadingHTTPServer] = []
        self._stopped_at = 0.0

    @property
    def authority(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def authorities(self) -> Authorities:
        return Authorities([self.authority], self.certificates.ca_file)

    @property
    def tokens_given(self) -> int:
        return len(self.issued)

    def start(self) -> None:
        """The face to msal (TLS) and the one to the mail server."""
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(self.certificates.server_file, self.certificates.key_file)
        self._serve(self.port, secure)
        if len(self._servers) == 1:
            self._serve(self.introspection_port, None)

    def stop(self) -> None:
        """Everything ends."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def go_away(self) -> None:
        """The face to msal is gone; the mail server goes on checking tokens."""
        server = self._servers.pop(0)
        server.shutdown()
        server.server_close()

    def come_back(self) -> None:
        """After `go_away`, at the same port."""
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(self.certificates.server_file, self.certificates.key_file)
        self._serve(self.port, secure, first=True)

    def revoke(self) -> None:
        """No token that was given so far is good any more."""
        for issued in self.issued.values():
            issued.until = 0

    def _serve(self, port: int, secure: ssl.SSLContext | None, first: bool = False) -> None:
        server = _Server(("127.0.0.1", port), _handler(self))
        if secure is not None:
            server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._servers.insert(0 if first else len(self._servers), server)

    # --- answers ---------------------------------------------------------------------------------------------------

    def discovery(self, tenant: str) -> tuple[int, dict[str, object]]:
        if tenant != TENANT:
            return 400, _refusal("invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
        base = f"{self.authority}/{tenant}"
        return 200, {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self.clients.get(client_id)
        if client is None:
            return 400, _refusal("unauthorized_client", 700016, f"Application '{client_id}' was not found.")
        if secret != client.secret:
            return 401, _refusal("invalid_client", 7000215, f"Invalid client secret provided: {secret}")
        if client.expired:
            return 401, _refusal("invalid_client", 7000222, "The provided client secret keys are expired.")
        if not client.consented:
            return 400, _refusal("invalid_grant", 65001, "The user or administrator has not consented.")
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return 400, _refusal("invalid_scope", 1002012, "The provided value for scope is not valid.")
        token = self._new_token()
        self.issued[token] = Issued(client_id, time.time() + self.lifetime)
        return 200, {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def introspect(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        issued = self.issued.get(form.get("token", ""))
        if issued is None or issued.until <= time.time():
            return 200, {"active": False}
        return 200, {"active": True, "username": self.clients[issued.client_id].mailbox}

    def _new_token(self) -> str:
        if not self.jwt:
            return f"{WORD}{secrets.token_urlsafe(48)}"
        claims = {"aud": "https://outlook.office365.com", "roles": list(self.roles), "jti": secrets.token_hex(8)}
        return ".".join((_part({"alg": "none"}), _part(claims), f"{WORD}{secrets.token_urlsafe(32)}"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tenant = self.path.split("/")[1]
            if self.path == f"/{tenant}/v2.0/.well-known/openid-configuration":
                self._say(*provider.discovery(tenant))
            else:
                self._say(404, {"error": "not_found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            path = urlsplit(self.path).path
            if path == "/introspect":
                self._say(*provider.introspect(form))
                return
            provider.requests.append(path)
            time.sleep(provider.delay)
            if provider.busy:
                self._say(provider.busy, {"error": "temporarily_unavailable"})
            else:
                self._say(*provider.token(form))

        def _say(self, status: int, answer: dict[str, object]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status >= 429 and provider.retry_after:
                self.send_header("Retry-After", provider.retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    return Handler


def _refusal(error: str, code: int, words: str) -> dict[str, object]:
    return {"error": error, "error_description": f"AADSTS{code}: {words} Trace ID: 0", "error_codes": [code]}


def _part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def token_check(provider: Provider) -> Iterator[str]:
    """Configuration for Dovecot (`extra`): XOAUTH2, each token checked at the provider."""
    folder = Path(tempfile.mkdtemp(prefix="mail-automator-oauth2-"))  # Dovecot's own user must be able to read it
    folder.chmod(0o755)
    file = folder / "oauth2.conf"
    file.write_text(
        f"introspection_url = http://127.0.0.1:{provider.introspection_port}/introspect\n"
        "introspection_mode = post\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n"
    )
    file.chmod(0o644)
    try:
        yield (
            "auth_mechanisms = plain login xoauth2\n"
            f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {file}\n}}\n"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
