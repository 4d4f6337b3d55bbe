"""The fields of the tab Email Config, and the part of a mailbox's document that they are. Pure.

A field is called as its path in the document is; below `auth` the type stands first, because all types are on the page.
A secret that is left empty stays what it was; none is ever put on a page.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

from services.console.configuration.problems import ConfigurationProblems
from services.console.defaults.presets import Servers

Given = Mapping[str, str]
Spec = dict[str, Any]

PLAIN: Final = {
    "basic": ("username",),
    "oauth2_microsoft": ("flow", "clientId", "tenantId", "authority", "clientSecretExpires"),
    "exchange": ("domainUser",),
}
SECRET: Final = {"basic": ("password",), "oauth2_microsoft": ("clientSecret", "password"), "exchange": ("password",)}
"""The fields of each authentication type."""
SERVERS: Final = {
    "imap": ("host", "port", "encryption", "folder", "caFile"),
    "smtp": ("host", "port", "encryption", "caFile", "username"),
}
DEFAULTS: Final = {
    "provider": "other",
    "module": "ticket",
    "auth.type": "basic",
    "imap.port": "993",
    "imap.encryption": "implicit_tls",
    "imap.folder": "INBOX",
    "imap.startFrom": "now",
    "smtp.port": "465",
    "smtp.encryption": "implicit_tls",
    "oauth2_microsoft.flow": "application",
    "oauth2_microsoft.authority": "https://login.microsoftonline.com",
}
SWITCHES: Final = ("enabled", "acknowledgements.enabled")


def shown(name: str, spec: Spec) -> dict[str, str]:
    """What the fields hold, secrets left out; `""` where nothing is given."""
    auth = _part(spec, "auth")
    kind = str(auth.get("type", "basic"))
    start = str(_part(spec, "imap").get("startFrom", "now"))
    fields = {
        "name": name,
        **{one: spec.get(one) for one in ("provider", "module", "email")},
        **{f"{part}.{one}": _part(spec, part).get(one) for part, names in SERVERS.items() for one in names},
        **{f"{one}.{field}": auth.get(field) if one == kind else None for one in PLAIN for field in PLAIN[one]},
        "auth.type": kind,
        "imap.startFrom": start if start in ("now", "all") else "since",
        "imap.since": "" if start in ("now", "all") else start,
        "enabled": "on" if spec.get("enabled", True) else "",
        "acknowledgements.enabled": "on" if _part(spec, "acknowledgements").get("enabled", True) else "",
    }
    return {one: DEFAULTS.get(one, "") if value is None else str(value) for one, value in fields.items()}


def again(given: Given) -> dict[str, str]:
    """What was typed, for the same page once more. A switch that is off is not sent."""
    blank = shown("", {})
    return {one: given.get(one, "") if one in SWITCHES else given.get(one, value) for one, value in blank.items()}


def filled(spec: Spec, given: Given) -> Spec:
    """The document with what was given; what the tab does not show stays as it is."""
    made = copy.deepcopy(spec)
    made |= {one: given.get(one, "").strip() for one in ("provider", "module", "email")}
    made["enabled"] = given.get("enabled") == "on"
    made["acknowledgements"] = {
        **_part(spec, "acknowledgements"),
        "enabled": given.get("acknowledgements.enabled") == "on",
    }
    made["imap"] = _kept(_part(spec, "imap"), SERVERS["imap"]) | _fields(given, "imap", SERVERS["imap"])
    made["imap"]["startFrom"] = _start(given)
    made["auth"] = _auth(_part(spec, "auth"), given)
    made["smtp"] = _smtp(_part(spec, "smtp"), given)
    return {key: value for key, value in made.items() if key != "smtp" or value}


def with_servers(given: Given, servers: Servers) -> dict[str, str]:
    """The fields with the servers of Use Default filled in."""
    made = again(given)
    for part, server in (("imap", servers.imap), ("smtp", servers.smtp)):
        made |= {
            f"{part}.host": server.host,
            f"{part}.port": str(server.port),
            f"{part}.encryption": server.encryption.value,
        }
    return made


def errors(problems: ConfigurationProblems, kind: str = "") -> dict[str, str]:
    """What is wrong, by field; under `""` what is wrong with no field alone."""
    found: dict[str, str] = {}
    for one in problems.problems:
        path = one.where.rpartition(", ")[2].partition("[")[0]
        field = (
            "" if " " in path or path == "spec" else "name" if path == "metadata.name" else path.removeprefix("spec.")
        )
        if field.startswith("auth.") and field != "auth.type":
            field = f"{kind}.{field.removeprefix('auth.').removesuffix('From')}"
        found[field] = " ".join(filter(None, (found.get(field, ""), _sentence(one.what))))
    return found


def _auth(old: Spec, given: Given) -> Spec:
    kind = given.get("auth.type", "basic")
    made = {"type": kind, **_fields(given, kind, PLAIN.get(kind, ()))}
    same = old if old.get("type", "basic") == kind else {}
    for name in SECRET.get(kind, ()):
        made |= _secret(same, name, given.get(f"{kind}.{name}", ""))
    return made


def _smtp(old: Spec, given: Given) -> Spec:
    made = _fields(given, "smtp", SERVERS["smtp"])
    if "host" not in made:
        return {}
    typed = given.get("smtp.password", "")
    return made | (_secret(old, "password", typed) if typed or "username" in made else {})


def _secret(old: Spec, name: str, typed: str) -> Spec:
    if typed:
        return {name: typed}
    return {one: old[one] for one in (name, f"{name}From") if one in old}


def _start(given: Given) -> str:
    choice = given.get("imap.startFrom", "now")
    return given.get("imap.since", "").strip() if choice == "since" else choice


def _fields(given: Given, part: str, names: tuple[str, ...]) -> Spec:
    texts = {one: given.get(f"{part}.{one}", "").strip() for one in names}
    return {one: text for one, text in texts.items() if text}


def _kept(old: Spec, names: tuple[str, ...]) -> Spec:
    return {one: value for one, value in old.items() if one not in names}


def _part(spec: Spec, name: str) -> Spec:
    found = spec.get(name)
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # JSON


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?", "!")) else ".")
