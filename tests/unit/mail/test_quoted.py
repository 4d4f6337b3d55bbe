"""What is new in a text, and what is quoted: nothing lost, in doubt everything shown, bounded work."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail.quoted import Quoted, split

ROOT = Path(__file__).parents[3]

HISTORY = {
    "english": "On Mon, 2 Mar 2026 at 10:00, Support <s@x.example> wrote:\n> We received it.\n",
    "english on two lines": "On Mon, 2 Mar 2026 at 10:00, Support\n<s@x.example> wrote:\n> We received it.\n",
    "german": "Am 02.03.2026 um 10:00 schrieb Support <s@x.example>:\n> Erhalten.\n",
    "french": "Le lun. 2 mars 2026 à 10:00, Support <s@x.example> a écrit :\n> Reçu.\n",
    "spanish": "El lun, 2 mar 2026 a las 10:00, Support (<s@x.example>) escribió:\n> Recibido.\n",
    "portuguese": "Em seg., 2 de mar. de 2026 às 10:00, Support <s@x.example> escreveu:\n> Recebido.\n",
    "italian": "Il giorno lun 2 mar 2026 alle ore 10:00 Support <s@x.example> ha scritto:\n> Ricevuto.\n",
    "dutch": "Op ma 2 mrt 2026 om 10:00 schreef Support <s@x.example>:\n> Ontvangen.\n",
    "swedish": "Den mån 2 mars 2026 kl 10:00 skrev Support <s@x.example>:\n> Mottaget.\n",
    "czech": "Dne 2. 3. 2026 v 10:00 Support napsal(a):\n> Přijato.\n",
    "chinese": "2026年3月2日 星期一 10:00，Support <s@x.example> 写道：\n> 收到。\n",
    "unknown language": "2.3.2026 10:00, Support kirjutas:\n> Saadud.\n",
    "outlook": "________________________________\nFrom: Support\nSent: Monday\nTo: Ann\nSubject: x\n\nReceived.\n",
    "german outlook": "-----Ursprüngliche Nachricht-----\nVon: S\nGesendet: Montag\nAn: Ann\nBetreff: x\n\nDa.\n",
    "bold outlook": "*From:* Support\n*Sent:* Monday\n*To:* Ann\n*Subject:* x\n\nReceived.\n",
    "quotes alone": "> We received it.\n> Really.\n\n",
}
SIGNATURES = ["-- \nAnn\nExample Ltd.\n", "Best regards,\nAnn Example\n", "Mit freundlichen Grüßen\nAnn\n"]
SENT_FROM = ["Sent from my iPhone\n", "Get Outlook for Android\n", "Gesendet von meinem Gerät\n"]


@pytest.mark.parametrize("history", HISTORY.values(), ids=HISTORY)
def test_what_older_mails_said_is_not_new(history: str) -> None:
    assert split(f"It still burns.\n\n{history}") == Quoted("It still burns.\n\n", history)


@pytest.mark.parametrize("signature", SIGNATURES + SENT_FROM)
@pytest.mark.parametrize("history", ["", HISTORY["english"]])
def test_a_signature_is_not_new(signature: str, history: str) -> None:
    assert split(f"It still burns.\n\n{signature}{history}") == Quoted("It still burns.\n\n", signature + history)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "> only a quote\n",
        HISTORY["english"],
        f"{HISTORY['english']}\nBelow the quote.\n",
        f"See below.\n\n{HISTORY['english']}An answer.\n> Another question?\nAnother answer.\n",
        "Best regards,\nAnn\n",
        "Hello,\nThanks,\nit does not work though.\n",
        "Thank you,\nbut I asked for something else. Please look again.\n",
        "/opt\n/var\nare full\n",
        "The log:\n\n--------------------------------\nerror 1\nerror 2\n",
        "Data: 42\nFrom: 10.0.0.1\nTo: 10.0.0.2\nthat is what it says\n",
        "Steps:\n- one\n- two\n",
        "On the screen it says:\nerror\n",
    ],
)
def test_in_doubt_everything_is_new(text: str) -> None:
    assert split(text) == Quoted(text, "")


def test_beyond_the_lines_that_are_looked_at_nothing_is_hidden_but_the_quote_at_the_end() -> None:
    long = "A line.\n" * 1_000
    outlook = HISTORY["bold outlook"]
    assert split(long + outlook) == Quoted(long + outlook, "")
    assert split(long + HISTORY["english"]) == Quoted(long, HISTORY["english"])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=50),
            st.sampled_from(["> x", "-- ", "On Mon, 2 Mar 2026, A wrote:", "From: a", "To: b", "Sent: c", "Thanks,"]),
        ),
        max_size=20,
    )
)
def test_any_text_is_kept_whole_and_never_hidden_whole(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = split(text)
    assert found.new + found.rest == text
    assert bool(found.new.strip()) is bool(text.strip())


BAIT = {
    "quotes without end": "'>' * 200_000",
    "lines of quotes": "('> ' * 100 + chr(10)) * 1_300",
    "headers on one line": "'On ... wrote:' * 10_000",
    "headers on many lines": "('On ... wrote:' + chr(10)) * 10_000",
    "headers that never end": "('On ' + 'a ' * 70 + chr(10)) * 1_700",
    "headers that end wrongly": "('Den ' + 'skrev ' * 25 + chr(10)) * 1_600",
    "blanks in a field": "('From:' + ' ' * 150 + 'x' + chr(10) + 'q' + chr(10)) * 1_600",
    "fields": "('From: a' + chr(10)) * 30_000",
    "blank lines": "chr(10) * 250_000",
    "no blanks": "'a' * 250_000",
    "signatures": "('Best regards,' + chr(10) + 'No.' + chr(10)) * 14_000",
    "rules": "(chr(10) * 2 + '-' * 40) * 6_000",
}


@pytest.mark.parametrize("bait", BAIT.values(), ids=BAIT)
def test_bait_for_expressions_costs_bounded_work(bait: str) -> None:
    """Row 38: counted in processor time by the kernel, which kills the process beyond its limit; five times over."""
    program = (
        "import resource; from shared.mail.quoted import split; split('warm');"
        "used = resource.getrusage(resource.RUSAGE_SELF);"
        "limit = int(used.ru_utime + used.ru_stime) + 6;"
        "resource.setrlimit(resource.RLIMIT_CPU, (limit, limit));"
        f"text = {bait};"
        "[split(text + str(one)) for one in range(5)]"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=100)
    assert done.returncode == 0
