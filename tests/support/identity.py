"""An OpenID provider of our own, for tests: speaks to msal over TLS, and to a mail server that checks tokens.

Discovery, its signing key, an authorization endpoint (PKCE S256 only), a device authorization endpoint (RFC 8628), a
token endpoint that checks client and secret and rotates refresh tokens (one that is used twice ends its sign-in), and
introspection (RFC 7662). Its refusals carry Microsoft's codes. Loopback only.
"""

import base64
import hashlib
import json
import secrets
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from services.all_in_one.demo.certificates import ensure_certificates
from services.all_in_one.process import free_ports
from shared.oauth.authorities import Authorities
from tests.support.canary import WORD

TENANT = "11111111-2222-3333-4444-555555555555"
SCOPE = "https://outlook.office365.com/.default"
PERMISSIONS = frozenset(
    {"https://outlook.office365.com/IMAP.AccessAsUser.All", "https://outlook.office365.com/SMTP.Send", "offline_access"}
)
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
PUBLIC = ""
"""The secret of a public client."""


@dataclass
class Client:
    """A registered application: its secret, the mailboxes that its own tokens open, and where people come back to."""

    secret: str
    mailbox: str
    expired: bool = False
    consented: bool = True
    redirects: tuple[str, ...] = ()
    public_flows: bool = True


@dataclass
class Issued:
    """A token and until when it is good (Unix time). `mailbox` is what it opens, if not what its client's do."""

    client_id: str
    until: float
    mailbox: str = ""


@dataclass
class Grant:
    """A person's sign-in. Its one good refresh token is `refresh`; an older one that is used ends it."""

    client_id: str
    person: str
    scope: str
    nonce: str = ""
    challenge: str = ""
    redirect: str = ""
    refresh: str = ""
    refused: int = 0
    approved: bool = True


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
    leads_to: str = ""
    retry_after: str = ""
    requests: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=dict)
    person: str = "support@desk.example"
    opens: dict[str, str] = field(default_factory=dict)
    declines: bool = False
    stays: bool = True
    interval: int = 1
    device_seconds: int = 900
    codes: dict[str, Grant] = field(default_factory=dict)
    devices: dict[str, Grant] = field(default_factory=dict)
    families: dict[str, Grant] = field(default_factory=dict)
    user_codes: dict[str, str] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    claims_change: dict[str, object] = field(default_factory=dict)
    rotated: Callable[[], None] = lambda: None
    """Called when a refresh token has been replaced, before anybody is told the new one."""

    def __post_init__(self) -> None:
        self.certificates = ensure_certificates(self.folder / "tls", datetime.now(UTC))
        self.port, self.introspection_port = free_ports(2)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
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

    def end_sign_ins(self, number: int = 50173) -> None:
        """No refresh token that was given so far is good any more; `number` is the reason."""
        for grant in self.families.values():
            grant.refused = number

    def approve(self, user_code: str) -> None:
        """`person` types the code in."""
        grant = self.devices[self.user_codes[user_code]]
        grant.person, grant.approved = self.person, True

    @property
    def refreshes(self) -> int:
        """How often somebody asked for a token with a refresh token."""
        return self.grants.count("refresh_token")

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
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, object]:
        """The public half of what ID tokens are signed with (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        n, e = (_bytes(one.to_bytes((one.bit_length() + 7) // 8, "big")) for one in (numbers.n, numbers.e))
        return {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": n, "e": e}]}

    def id_token(self, claims: dict[str, object]) -> str:
        """Signed (RS256), with the person's groups; `claims_change` puts something else into it."""
        now = int(time.time())
        told = {"iss": f"{self.authority}/{TENANT}/v2.0", "iat": now, "exp": now + 300, "groups": self.groups}
        head = {"alg": "RS256", "kid": "one"}
        signed = f"{_part(head)}.{_part({**told, **claims, **self.claims_change})}"
        return f"{signed}.{_bytes(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def authorize(self, asked: dict[str, str]) -> str | None:
        """Where the browser is sent back to; None if it is shown an error instead (RFC 6749 section 4.1.2.1)."""
        client, redirect = self.clients.get(asked.get("client_id", "")), asked.get("redirect_uri", "")
        if client is None or redirect not in client.redirects:
            return None
        back = {"state": asked.get("state", "")}
        if self.declines:
            words = "AADSTS65004: User declined to consent to access the app. <b>Trace</b>"
            return f"{redirect}?{urlencode({**back, 'error': 'access_denied', 'error_description': words})}"
        wanted = set(asked.get("scope", "").split())
        openid = wanted <= {"openid", "profile", "email"} and "openid" in wanted
        pkce = asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge", "")) == 43
        if not pkce or asked.get("response_type") != "code" or not (openid or wanted >= PERMISSIONS):
            return f"{redirect}?{urlencode({**back, 'error': 'invalid_request'})}"
        code = secrets.token_urlsafe(24)
        self.codes[code] = Grant(
            client_id=asked["client_id"],
            person=self.person,
            scope=asked["scope"],
            nonce=asked.get("nonce", ""),
            challenge=asked["code_challenge"],
            redirect=redirect,
        )
        return f"{redirect}?{urlencode({**back, 'code': code})}"

    def device(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        if form.get("client_id") not in self.clients:
            return 400, _refusal("unauthorized_client", 700016, "Application was not found.")
        code, user_code = secrets.token_urlsafe(24), secrets.token_hex(4).upper()
        self.devices[code] = Grant(form["client_id"], "", form.get("scope", ""), approved=False)
        self.user_codes[user_code] = code
        return 200, {
            "device_code": code,
            "user_code": user_code,
            "verification_uri": f"{self.authority}/devicelogin",
            "expires_in": self.device_seconds,
            "interval": self.interval,
        }

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.grants.append(form.get("grant_type", ""))
        client_id, secret = form.get("client_id", ""), form.get("client_secret", PUBLIC)
        client = self.clients.get(client_id)
        if client is None:
            return 400, _refusal("unauthorized_client", 700016, f"Application '{client_id}' was not found.")
        public = secret == PUBLIC and form.get("grant_type") in (DEVICE, "refresh_token") and client.public_flows
        if secret == PUBLIC and client.secret != PUBLIC and not public:
            return 401, _refusal("invalid_client", 7000218, "The request body must contain: 'client_secret'.")
        if secret != client.secret and not public:
            return 401, _refusal("invalid_client", 7000215, f"Invalid client secret provided: {secret}")
        if client.expired:
            return 401, _refusal("invalid_client", 7000222, "The provided client secret keys are expired.")
        if not client.consented:
            return 400, _refusal("invalid_grant", 65001, "The user or administrator has not consented.")
        if form.get("grant_type") in ("authorization_code", "refresh_token", DEVICE):
            return self._person_token(form)
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return 400, _refusal("invalid_scope", 1002012, "The provided value for scope is not valid.")
        token = self._new_token()
        self.issued[token] = Issued(client_id, time.time() + self.lifetime)
        return 200, {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def _person_token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        match form["grant_type"]:
            case "authorization_code":
                grant = self.codes.pop(form.get("code", ""), None)
                if grant is None or (grant.client_id, grant.redirect) != (form["client_id"], form["redirect_uri"]):
                    return 400, _refusal("invalid_grant", 54005, "The code was already redeemed, or is another's.")
                if _challenge(form.get("code_verifier", "")) != grant.challenge:
                    return 400, _refusal("invalid_grant", 50148, "The code_verifier does not match.")
            case "refresh_token":
                grant = self.families.get(form.get("refresh_token", ""))
                if grant is None or grant.client_id != form["client_id"]:
                    return 400, _refusal("invalid_grant", 9002313, "Invalid request.")
                if grant.refresh != form["refresh_token"]:
                    grant.refused = grant.refused or 70000
                if grant.refused:
                    return 400, _refusal("invalid_grant", grant.refused, "The grant is not good any more.")
            case _:
                grant = self.devices.get(form.get("device_code", ""))
                if grant is None:
                    return 400, _refusal("expired_token", 70020, "The device code has expired.")
                if self.declines:
                    return 400, _refusal("authorization_declined", 70016, "Declined.")
                if not grant.approved:
                    return 400, _refusal("authorization_pending", 70016, "Nobody has typed the code in yet.")
                del self.devices[form["device_code"]]
        answer = self._granted(grant)
        if form["grant_type"] == "refresh_token":
            self.rotated()
        return 200, answer

    def _granted(self, grant: Grant) -> dict[str, object]:
        token = secrets.token_urlsafe(48)
        opens = self.opens.get(grant.person, grant.person)
        self.issued[token] = Issued(grant.client_id, time.time() + self.lifetime, opens)
        claims: dict[str, object] = {"aud": grant.client_id, "sub": grant.person, "preferred_username": grant.person}
        answer: dict[str, object] = {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "access_token": token,
            "scope": " ".join(sorted(one for one in grant.scope.split() if one.startswith("https:"))),
            "id_token": self.id_token({**claims, "oid": grant.person, "nonce": grant.nonce}),
            "client_info": _part({"uid": grant.person, "utid": TENANT}),
        }
        if self.stays:
            grant.refresh = secrets.token_urlsafe(48)
            self.families[grant.refresh] = grant
            answer["refresh_token"] = grant.refresh
        return answer

    def introspect(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        issued = self.issued.get(form.get("token", ""))
        if issued is None or issued.until <= time.time():
            return 200, {"active": False}
        return 200, {"active": True, "username": issued.mailbox or self.clients[issued.client_id].mailbox}

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
            tenant, asked = self.path.split("/")[1], urlsplit(self.path)
            if asked.path == f"/{tenant}/oauth2/v2.0/authorize":
                back = provider.authorize({name: values[0] for name, values in parse_qs(asked.query).items()})
                self._say(302 if back else 400, {"error": "the person sees an error page"}, back or "")
            elif self.path == f"/{tenant}/v2.0/.well-known/openid-configuration":
                self._say(*provider.discovery(tenant))
            elif self.path == f"/{tenant}/discovery/v2.0/keys":
                self._say(200, provider.keys())
            else:
                self._say(404, {"error": "not_found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            form |= _basic(self.headers.get("Authorization", ""))
            path = urlsplit(self.path).path
            if path == "/introspect":
                self._say(*provider.introspect(form))
                return
            provider.requests.append(path)
            time.sleep(provider.delay)
            if path.endswith("/devicecode"):
                self._say(*provider.device(form))
            elif provider.busy:
                self._say(provider.busy, {"error": "temporarily_unavailable"}, provider.leads_to)
            else:
                self._say(*provider.token(form))

        def _say(self, status: int, answer: dict[str, object], location: str = "") -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
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


def _challenge(verifier: str) -> str:
    """S256 (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _part(value: dict[str, object]) -> str:
    return _bytes(json.dumps(value).encode())


def _bytes(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _basic(header: str) -> dict[str, str]:
    """Client id and secret from a header (RFC 6749 section 2.3.1)."""
    if not header.startswith("Basic "):
        return {}
    client_id, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


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
