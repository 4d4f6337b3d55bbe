"""Secrets in the clear, for those who must sign in with them: from a file, the environment, or our own store."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from shared.domain.bindings import secret_binding
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, SecretSource
from shared.store.encryption import Vault
from shared.store.mailboxes import Mailboxes, source_of


class Secrets:
    """Reveals what a mailbox refers to."""

    def __init__(self, mailboxes: Mailboxes, vault: Vault, environ: Mapping[str, str]) -> None:
        self._mailboxes = mailboxes
        self._vault = vault
        self._environ = environ

    async def reveal(self, mailbox: Mailbox, field: str) -> SecretStr:
        """The secret of a field such as `auth.password`. One trailing newline of a file is not part of it.

        Raises ConfigurationError, saying what to do, if it is nowhere or cannot be read.
        """
        found = await referred(mailbox, field, self._environ)
        return found if found is not None else await self._from_store(mailbox, field)

    async def _from_store(self, mailbox: Mailbox, field: str) -> SecretStr:
        sealed = await self._mailboxes.sealed_secret(mailbox, field)
        try:
            return self._vault.open(sealed, secret_binding(mailbox.spec, mailbox.name, field))
        except ConfigurationError as error:
            where = ", ".join(filter(None, (_where(mailbox, field), error.where)))
            raise ConfigurationError(error.what, where=where, remedy=error.remedy, code=error.code) from None


async def referred(mailbox: Mailbox, field: str, environ: Mapping[str, str]) -> SecretStr | None:
    """A secret that stands in the spec itself, in a file or in the environment; None if it is in our own store.

    Raises ConfigurationError, saying what to do, if it is nowhere or cannot be read.
    """
    part, _, name = field.partition(".")
    inline = getattr(getattr(mailbox.spec, part, None), name, None)
    if isinstance(inline, SecretStr):
        return inline
    where = _where(mailbox, field)
    match source_of(mailbox.spec, field):
        case None:
            raise ConfigurationError(
                "no secret is configured",
                where=where,
                remedy="give it, or name file, env or stored",
                code="secret_missing",
            )
        case SecretSource(file=str(file)):
            return await asyncio.to_thread(_from_file, Path(file), where)
        case SecretSource(env=str(variable)):
            return _from_environment(variable, environ, where)
        case _:
            return None


def _where(mailbox: Mailbox, field: str) -> str:
    return f"mailbox {mailbox.name}, {field}"


def _from_environment(variable: str, environ: Mapping[str, str], where: str) -> SecretStr:
    value = environ.get(variable)
    if not value:
        raise ConfigurationError(
            f"the environment variable {variable} is not set",
            where=where,
            remedy="set it for this process",
            code="secret_missing",
        )
    return SecretStr(value)


def _from_file(path: Path, where: str) -> SecretStr:
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeError) as error:
        raise _unreadable(path, where, str(getattr(error, "strerror", None) or "not UTF-8 text")) from None
    secret = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    if not secret:
        raise _unreadable(path, where, "it is empty")
    return SecretStr(secret)


def _unreadable(path: Path, where: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the secret file {path} cannot be read ({reason})",
        where=where,
        remedy="mount it, or let this user read it",
        code="secret_missing",
    )
