"""Whether a program wrote a mail, and what kind of program. Pure and total; reads the header fields and the structure.

The signs, and who says that they are signs:

* Auto-Submitted: RFC 3834, section 5 (`auto-notified`: RFC 5436). Any word but `no` means a program.
* Delivery reports: RFC 3464 in the envelope of RFC 6522; read receipts: RFC 8098; complaints: RFC 5965.
* The empty return path: RFC 5321, section 4.5.5; `<>` is what programs send with, so that nobody answers them.
* Lists: List-Id (RFC 2919), List-Post and its kin (RFC 2369), one-click List-Unsubscribe (RFC 8058).
* Exchange: X-MS-Exchange-Message-Is-Ndr and -Generated-Message-Source on what it makes itself;
  X-Auto-Response-Suppress (MS-OXCMAIL, section 2.1.3.2.20) only asks for silence.
* Custom without a standard: Precedence, X-Autoreply, X-Autorespond, X-Autoresponder, X-Failed-Recipients (Exim, Gmail),
  X-Loop (procmail), Feedback-ID (bulk senders), X-Cron-Env, the local parts MAILER-DAEMON and postmaster.

The two errors are not alike. A person taken for a machine becomes a note that reopens nothing: somebody waits for an
answer that never comes. A machine taken for a person gets one acknowledgement, and its budget ends that. So what a
person's mail may also carry never decides alone:

* X-Auto-Response-Suppress: Outlook, delegates and transport rules set it on people's mail.
* List-Unsubscribe: sales tools and signature services add it to letters. It needs a second sign of bulk mail, and the
  mail must answer nothing: newsletters are no answers. Feedback-ID: Amazon SES writes it on everything it carries.
* `Precedence: bulk` on an answer: other ticket systems write it on what their people say.
* Subjects such as "Automatic reply: …": they need another sign. A person's "Re: Automatic reply: …" does not begin so.
* X-MS-Exchange-Inbox-Rules-Loop: also on people's mail that a rule redirected.
* `no-reply` senders: contact forms send people's words from there. `-request` addresses: `it-request@` is a team.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.email import Address, Automatic
from shared.mail import headers, reports
from shared.mail.headers import Headers
from shared.mail.mime import Part

_REPORTS = frozenset(("delivery-status", "disposition-notification", "feedback-report"))
_DAEMONS = frozenset(("mailer-daemon", "mailerdaemon"))
_DAEMON_WITHOUT_DOMAIN = re.compile(
    r"(?:[^<>@]{0,200}<)?\s*mailer-daemon\s*>?\s*(?:\([^()]{0,200}\))?\s*", re.IGNORECASE
)
_NULL = re.compile(rb"<\s*(?:mailer-daemon)?\s*>", re.IGNORECASE)
_NO_REPLY = re.compile(r"(?:do[-_.]?)?not?[-_.]?reply(?:[-_.+].*)?")
_OF_LIST = re.compile(r"owner-.+|[^=+]+-bounces(?:[+=].*)?")
_BULK = frozenset(("bulk", "junk"))
_NOT_AN_ANSWER = frozenset(("auto-generated", "auto-notified"))
_NEGATIONS = frozenset(("no", "none", "false", "0"))

_ANSWERERS = (
    b"x-autoreply",
    b"x-auto-reply",
    b"x-autoreply-from",
    b"x-autorespond",
    b"x-autoresponder",
    b"x-mail-autoreply",
)
_LISTS = (
    b"list-id",
    b"list-post",
    b"list-subscribe",
    b"list-archive",
    b"x-mailman-version",
    b"x-beenthere",
    b"x-mailing-list",
    b"mailing-list",
)
_PROGRAMS = (b"x-cron-env", b"x-jira-fingerprint", b"x-fc-machinegenerated")

_UNDELIVERED = (
    "undeliverable",
    "undelivered mail",
    "returned mail",
    "mail delivery failed",
    "mail delivery failure",
    "delivery failure",
    "delivery status notification",
    "delivery delayed",
    "failure notice",
    "mail system error",
    "warning: could not send message",
    "warning: message",
    "unzustellbar",
    "nicht zustellbar",
    "zustellung",
    "non remis",
    "échec de la remise",
    "no se puede entregar",
    "no entregable",
    "non recapitabile",
    "onbestelbaar",
    "kan inte levereras",
    "nie można dostarczyć",
)
_ABSENT = re.compile(
    r"(?:automatic reply|auto[- ]?reply|auto[- ]?response|out[ -]of[ -](?:the )?office(?: autoreply)?|vacation"
    r"|vacation reply|away from my mail|on vacation"
    # German, French, Spanish, Italian, Dutch
    r"|automatische antwort|abwesend|abwesenheitsnotiz|réponse automatique|absence du bureau|respuesta automática"
    r"|fuera de la oficina|risposta automatica|fuori sede|automatisch antwoord|afwezig"
    # Scandinavian, Finnish, Portuguese, Polish, Czech, Hungarian, Turkish
    r"|autosvar|automatiskt? svar|automaattinen vastaus|resposta automática|odpowiedź automatyczna|autoodpowiedź"
    r"|automatická odpověď|automatikus válasz|otomatik yanıt"
    # Russian, Greek, Chinese, Japanese, Korean
    r"|автоматический ответ|автоответ|αυτόματη απάντηση|自动答复|自动回复|自動回覆|自動応答|자동 회신)\s*(?::|\Z)"
)
"""Outlook's words before the colon, and what vacation programs send as the whole subject."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """What the kinds are told by: the first value of each field, and what is read out of them. Words are in lower case,
    empty where the field is missing; `submitted` is also empty for `no`, `suppress` for `none`."""

    first: dict[bytes, bytes]
    report: str | None
    submitted: str
    precedence: str
    suppress: str
    source: str
    local: str
    return_path: str
    subject: str
    null: bool
    answers: bool

    def has(self, *names: bytes) -> bool:
        return any(name in self.first for name in names)

    def affirms(self, *names: bytes) -> bool:
        """Whether one of the fields is there and does not say no."""
        return any(headers.word(self.first[name]) not in _NEGATIONS for name in names if name in self.first)


def kind(head: Headers, root: Part, sender: Address | None, subject: str) -> Automatic | None:
    """What kind of program wrote the mail, the first that fits in the order of Automatic; None for a person's.

    `subject` is the decoded one. Never raises."""
    signs = _signs(head, root, sender, subject)
    return next((one for one, fits in _KINDS if fits(signs)), None)


def null_sender(head: Headers) -> bool:
    """Whether the mail came with the empty return path. Seen in practice: Postfix' pipe writes it `<MAILER-DAEMON>`."""
    return _NULL.fullmatch((head.get(b"return-path") or b"").strip()) is not None


def _signs(head: Headers, root: Part, sender: Address | None, subject: str) -> _Signs:
    first = dict(reversed(head.fields))
    words = {name: headers.word(first.get(name)) or "" for name in (b"auto-submitted", b"precedence")}
    suppress = (headers.line(first.get(b"x-auto-response-suppress")) or "").lower()
    return _Signs(
        first=first,
        report=reports.kind(root),
        submitted="" if words[b"auto-submitted"] == "no" else words[b"auto-submitted"],
        precedence=words[b"precedence"],
        suppress="" if suppress in _NEGATIONS else suppress,
        source=(headers.line(first.get(b"x-ms-exchange-generated-message-source")) or "").lower(),
        local=_local(sender, first.get(b"from")),
        return_path=(headers.line(first.get(b"return-path")) or "").lower().strip("<> "),
        subject=unicodedata.normalize("NFKC", subject).casefold(),
        null=null_sender(head),
        answers=bool(headers.message_ids(first.get(b"in-reply-to"), 1)),
    )


def _local(sender: Address | None, raw: bytes | None) -> str:
    """The sender's local part. Seen in practice: `From: Mail Delivery <MAILER-DAEMON>`, which is no address."""
    if sender is not None:
        return sender.address.rpartition("@")[0]
    return "mailer-daemon" if _DAEMON_WITHOUT_DOMAIN.fullmatch(headers.unicode((raw or b"")[:1000])) else ""


def _bounce(signs: _Signs) -> bool:
    """MAILER-DAEMON is nobody's name; postmaster may be a person's, so it needs another sign."""
    daemon = signs.local in _DAEMONS
    machine = daemon or signs.null or bool(signs.submitted)
    return (
        signs.report in _REPORTS
        or daemon
        or signs.has(b"x-ms-exchange-message-is-ndr")
        or (machine and signs.has(b"x-failed-recipients"))
        or (signs.local == "postmaster" and machine)
        or ((signs.local == "postmaster" or signs.null) and signs.subject.startswith(_UNDELIVERED))
    )


def _out_of_office(signs: _Signs) -> bool:
    """Seen in practice: Exchange writes `auto-generated` on its automatic replies, against RFC 3834."""
    hinted = signs.null or signs.suppress or signs.source or signs.submitted or signs.precedence in _BULK
    return (
        signs.submitted == "auto-replied"
        or signs.precedence in ("auto_reply", "auto-reply", "autoreply")
        or signs.affirms(*_ANSWERERS)
        or (signs.precedence in _BULK and signs.answers and signs.has(b"x-loop"))
        or (bool(hinted) and _ABSENT.match(signs.subject) is not None)
    )


def _list(signs: _Signs) -> bool:
    """Who says `auto-generated` says more than `Precedence: bulk` does: monitoring and trackers write both."""
    bulk = signs.precedence in _BULK and signs.submitted not in _NOT_AN_ANSWER
    leaving = signs.has(b"list-unsubscribe") and (signs.has(b"list-unsubscribe-post", b"feedback-id") or bulk)
    return (
        signs.has(*_LISTS) or signs.precedence == "list" or (not signs.answers and (bulk or leaving)) or _by_list(signs)
    )


def _by_list(signs: _Signs) -> bool:
    """Whether it was sent on by a list: majordomo's and Mailman's return paths, other than the author's address."""
    local = signs.return_path.rpartition("@")[0]
    return local != signs.local and _OF_LIST.fullmatch(local) is not None


def _notice(signs: _Signs) -> bool:
    return (
        bool(signs.submitted)
        or signs.null
        or signs.report is not None
        or signs.affirms(*_PROGRAMS)
        or (bool(signs.suppress) and _NO_REPLY.fullmatch(signs.local) is not None)
    )


_KINDS: tuple[tuple[Automatic, Callable[[_Signs], bool]], ...] = (
    (Automatic.BOUNCE, _bounce),
    (Automatic.OUT_OF_OFFICE, _out_of_office),
    (Automatic.LIST, _list),
    (Automatic.NOTICE, _notice),
)
