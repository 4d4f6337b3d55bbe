"""The table of flags in docs/hostile-mail.md. `python -m tests.unit.mail.test_flags_page` writes it anew."""

from pathlib import Path

from shared.mail.flags import MEANINGS, Flag, explained

PAGE = Path(__file__).parents[3] / "docs" / "hostile-mail.md"
HEAD = "## Flags\n"


def page() -> str:
    """The page as it is, with the table as the code says."""
    rows = [f"| `{flag.value}` | {meaning} |" for flag, meaning in MEANINGS.items()]
    return "\n".join([PAGE.read_text().partition(HEAD)[0] + HEAD, "| flag | what it means |", "|---|---|", *rows, ""])


def test_the_table_is_what_the_code_says() -> None:
    """A new flag is a new line there."""
    assert PAGE.read_text() == page()


def test_flags_are_told_in_sentences_and_unknown_ones_left_out() -> None:
    assert explained(("empty", "of_a_newer_version", "signed")) == f"{MEANINGS[Flag.EMPTY]} {MEANINGS[Flag.SIGNED]}"


if __name__ == "__main__":
    PAGE.write_text(page())
