"""Mails of the yardstick, in four charsets.

60 % plain, 25 % HTML alternative, 10 % with a 20-200 KB attachment, 5 % replies.

Seeded: the same count gives the same bytes. The average is about 20 KB.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

WORDS = {
    "utf-8": ("printer", "burns", "naïve", "Größe", "東京", "payroll", "access", "issue", "laptop", "screen"),
    "iso-8859-1": ("Drucker", "brennt", "Größe", "façade", "garçon", "Lohn", "Zugang", "Fehler"),
    "windows-1251": ("принтер", "горит", "доступ", "зарплата", "ошибка", "экран"),
    "iso-2022-jp": ("印刷", "画面", "給与", "接続", "問題", "急ぎ"),
}
CHARSETS = tuple(WORDS)
START = datetime(2026, 1, 1, tzinfo=UTC)


def mails(count: int, seed: int = 1) -> Iterator[bytes]:
    """That many mails."""
    chance = random.Random(seed)
    for number in range(count):
        yield _mail(number, chance)


def _mail(number: int, chance: random.Random) -> bytes:
    charset = CHARSETS[number % 4]
    message = EmailMessage()
    message["From"] = f"Person {number % 97} <person{number % 97}@example{number % 13}.org>"
    message["To"] = "support@example.com"
    message["Message-ID"] = f"<bench-{number}@example.org>"
    message["Date"] = format_datetime(START + timedelta(seconds=number))
    kind = chance.random()
    subject = " ".join(chance.choices(WORDS[charset], k=4)) + f" {number}"
    message["Subject"] = f"Re: {subject}" if kind >= 0.95 else subject
    if kind >= 0.95:
        message["In-Reply-To"] = f"<bench-{max(0, number - 1)}@example.org>"
        message["References"] = " ".join(f"<bench-{max(0, number - back)}@example.org>" for back in (3, 2, 1))
    message.set_content(_text(charset, chance, 8_000), charset=charset, cte=_encoding(charset))
    if 0.60 <= kind < 0.85:
        body = "".join(f"<p>{line}</p>" for line in _text(charset, chance, 12_000).splitlines())
        message.add_alternative(
            f"<html><body>{body}</body></html>", subtype="html", charset=charset, cte=_encoding(charset)
        )
    elif 0.85 <= kind < 0.95:
        data = chance.randbytes(chance.randint(20_000, 140_000))
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=f"file-{number}.bin")
    return message.as_bytes()


def _encoding(charset: str) -> str:
    return "7bit" if charset == "iso-2022-jp" else "quoted-printable"


def _text(charset: str, chance: random.Random, size: int) -> str:
    lines: list[str] = []
    length = 0
    while length < size // 2:
        line = " ".join(chance.choices(WORDS[charset], k=9))
        lines.append(line)
        length += len(line.encode(charset, "replace"))
    return "\n".join(lines) + "\n"
