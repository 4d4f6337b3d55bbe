"""What each field of a document means, in the words of the reference (docs/mailbox-yaml.md). Only text.

A test checks that every field of the models stands here, and nothing else.
"""

from typing import Final

_CA = "PEM file of a private CA. Certificates are always verified; there is no switch against it."
_ENCRYPTION = 'On screen "SSL" is `implicit_tls`, "TLS" is `starttls`, refused if the server does not offer it.'
_IN_CLEAR = "The password in clear. Works, with a warning: use passwordFrom."
_READ_FROM = "Where the password is read from."

INTRODUCTION: Final = """\
# Mailboxes and catalogue as YAML

Made by `mail-automator config reference` from the models; a test keeps it so. Editors can take the JSON Schema that
`mail-automator config schema` prints.

A file holds any number of documents, separated by `---`. `mail-automator apply -f` takes files, directories and `-`.
Each document has this around its `spec`; names are lower-case letters, digits and hyphens, 1 to 63 characters:

```yaml
apiVersion: mail-automator/v1
kind: Mailbox                     # Mailbox | Department | Service | Process
metadata:
  name: support
  labels: {team: helpdesk}        # of a Mailbox; optional
spec:
  module: ticket
  email: support@example.com
  imap: {host: imap.example.com}
  auth:
    type: basic
    passwordFrom: {file: /run/secrets/support}
  acknowledgements: {enabled: false}
  domains:
    onlyIfInTo: true
    blockedSenders: ["*@spam.example"]
```

Unknown fields, wrong types, missing secrets and names that nobody has are errors, each in one line with the place and
what to do. The order of services and processes is their order in the documents and breaks ties.
"""

MAILBOX: Final[dict[str, str]] = {
    "enabled": "Whether it is fetched at all. (`mailbox pause` stops it for a while without changing this.)",
    "provider": "Who runs the mail server: decides presets and which sign-in is offered.",
    "module": "What a mail becomes: a ticket (INC-) or a request (REQ-).",
    "email": "The address of the mailbox. It logs in unless a user name is given.",
    "aliases": "Other addresses that are this mailbox, for onlyIfInTo and for the own-loop rule.",
    "imap": "Incoming mail.",
    "imap.host": "Host name of the IMAP server, without scheme, port or path.",
    "imap.port": "993 for implicit_tls, 143 for starttls.",
    "imap.encryption": _ENCRYPTION,
    "imap.folder": "The folder to read, by its name as people see it.",
    "imap.caFile": _CA,
    "imap.startFrom": "What the first connection takes of the mail that is already there: nothing, everything, or what "
    "came since a date.",
    "imap.afterFetch": "What happens to the server's copy, always last and only after the mail's decision is final.",
    "imap.afterFetch.action": "Nothing, mark it seen, flag it, move it, or delete it.",
    "imap.afterFetch.folder": "Where `move` moves it to; only with it.",
    "imap.afterFetch.afterDays": "How many days the mail must have been ours before. Without it 8 for `delete`, 0 for "
    "the others. For `delete`, never less than the days between two backups of the store plus seven: the server's copy "
    "is what brings mails back that a restored store has forgotten.",
    "imap.pollSeconds": "Safety poll beside IDLE, and the poll where the server has no IDLE. 5 to 3600.",
    "smtp": "Outgoing mail. Needed while acknowledgements are on.",
    "smtp.host": "Host name of the SMTP server.",
    "smtp.port": "465 for implicit_tls, 587 for starttls.",
    "smtp.encryption": _ENCRYPTION,
    "smtp.caFile": _CA,
    "smtp.username": "Only if SMTP needs another user than IMAP; then smtp needs a password too.",
    "smtp.password": _IN_CLEAR,
    "smtp.passwordFrom": _READ_FROM,
    "auth": "How to sign in. `type` decides which of the fields below it takes.",
    "auth.basic": "User name and password.",
    "auth.basic.username": "Logs in instead of the email.",
    "auth.basic.password": _IN_CLEAR,
    "auth.basic.passwordFrom": _READ_FROM + " Mandatory unless `password` is given.",
    "auth.oauth2_microsoft": "Microsoft 365 by OAuth 2.0.",
    "auth.oauth2_microsoft.flow": "`application` signs in by itself (client credentials), `delegated` on behalf of a "
    "person who signs in: `mailbox sign-in`.",
    "auth.oauth2_microsoft.clientId": "The application (client) id of the app registration.",
    "auth.oauth2_microsoft.tenantId": "The directory (tenant) id.",
    "auth.oauth2_microsoft.authority": "The sign-in server; another one for national clouds.",
    "auth.oauth2_microsoft.clientSecret": "The client secret in clear. Works, with a warning: use clientSecretFrom.",
    "auth.oauth2_microsoft.clientSecretExpires": "The day on which the client secret ends, as the app registration "
    "shows it: Microsoft tells it nobody else. Console and metrics warn before.",
    "auth.oauth2_microsoft.clientSecretFrom": "Where it is read from. Mandatory with the application flow; with "
    "`delegated` only if the application has a secret.",
    "auth.oauth2_microsoft.password": "Optional, for hybrid set-ups, in clear.",
    "auth.oauth2_microsoft.passwordFrom": "Optional, for hybrid set-ups.",
    "auth.exchange": "On-premises Exchange over IMAP.",
    "auth.exchange.domainUser": "`DOMAIN\\user` or `user@domain` (UPN), where it differs from the email.",
    "auth.exchange.password": _IN_CLEAR,
    "auth.exchange.passwordFrom": _READ_FROM + " Mandatory unless `password` is given.",
    "acknowledgements": "The answer to the requester with the ticket number.",
    "acknowledgements.enabled": "Whether it is sent. On (the default) it needs `smtp`.",
    "acknowledgements.subject": "Its subject. Words: {number}, {tag} (the number with the code by which an answer "
    "finds its ticket), {module}, {mailbox}, {service}, {department}, {subject}.",
    "acknowledgements.text": "Its text, with the same words.",
    "acknowledgements.requireAuthenticated": "Answer only where the server named in authservId vouches for the sender "
    "(DMARC, or DKIM of the sender's domain). Without authservId nobody can vouch: then only the budgets protect "
    "strangers.",
    "replies": "How replies find their ticket.",
    "replies.toClosed": "What a reply to a closed ticket does: reopen it, or open a new one that is linked to it.",
    "replies.plusAddressing": "Acknowledgements ask for answers to `name+number.code@domain`. The mail server must "
    "deliver such addresses to this mailbox.",
    "automaticMail": "Mail that no person wrote. What answers a mail of ours becomes a note on its ticket, whatever "
    "stands here.",
    "automaticMail.bounces": "Delivery reports about mail that was not ours.",
    "automaticMail.outOfOffice": "Automatic answers, such as vacation notices.",
    "automaticMail.lists": "Mailing lists and bulk mail.",
    "automaticMail.notices": "Other mail by programs, such as monitoring.",
    "authservId": "The server whose Authentication-Results are believed: the first word that it writes there "
    "(RFC 8601). Without it no sender counts as authenticated.",
    "authservHops": "How many Received fields servers of ours write above those results, after the server in "
    "authservId: 1 where Dovecot's LMTP delivers. Never more than there are: what stands below may have come with the "
    "mail.",
    "domains": "What may become a ticket, and where it goes.",
    "domains.impactServices": "Services this mailbox can impact: classification is limited to them. Empty: all.",
    "domains.defaultService": "The service of mails that classification leaves open.",
    "domains.classifyServiceBySubject": "Look for the services' keywords in the subject.",
    "domains.allowDuplicates": "On: every mail opens its own ticket. Off: a repeat is counted on the first one.",
    "domains.duplicateWindowHours": "For how long same sender, subject and text count as a repeat.",
    "domains.onlyIfInTo": "On: only mail with this mailbox in To. Off: To, Cc and Bcc all count.",
    "domains.fullSubjectMatch": "On: only mail whose whole subject is one of subjectKeywords.",
    "domains.subjectKeywords": "The subjects for fullSubjectMatch; reply prefixes, case and width do not count.",
    "domains.allowProcessClassification": "Route mail to a process by the processes' keywords and conditions.",
    "domains.blockedSenders": "`a@b.example`, `*@b.example`, `*.b.example` (its subdomains), or a glob.",
    "domains.department": "Where tickets go, unless the service or process names its own.",
    "domains.approvedDomainsOnly": "On: only mail from approvedDomains.",
    "domains.approvedDomains": "`b.example` (exactly it) or `*.b.example` (its subdomains, not itself).",
    "domains.requireAlignedSender": "On: only mail for whose From domain the server in authservId vouches (DMARC, or "
    "DKIM of the sender's domain).",
}
"""By path in `spec`; below `auth` the type stands first."""

SOURCE: Final[dict[str, str]] = {
    "file": "A file that holds it; one newline at its end is not part of it.",
    "env": "An environment variable of the service that needs it.",
    "stored": "Our own encrypted store: what `export` writes for a secret that is already there.",
}

DEPARTMENT: Final[dict[str, str]] = {"title": "For people."}
SERVICE: Final[dict[str, str]] = {
    "title": "For people.",
    "keywords": "Whole words that lead here when they stand in a subject; case and accents do not count.",
    "department": "Who owns tickets of this service.",
}
PROCESS: Final[dict[str, str]] = {
    "title": "For people.",
    "keywords": "Whole words in the subject. Without keywords the conditions alone decide.",
    "senders": "Only mail from these: patterns as in blockedSenders.",
    "recipients": "Only mail to these: patterns as in blockedSenders.",
    "department": "Who owns tickets of this process.",
}
