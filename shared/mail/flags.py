"""What can be odd about a mail: the words in `Email.flags`, each with what it means. Never a reason to lose a mail."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Flag(StrEnum):
    """One oddity; `MEANINGS` says what it is. The words are stable: metrics, searches and the console use them."""

    UNPARSABLE = "unparsable"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_CPU = "out_of_cpu"
    OUT_OF_TIME = "out_of_time"
    PARSER_CRASHED = "parser_crashed"
    ORIGINAL_LEFT_ON_SERVER = "original_left_on_server"
    EMPTY = "empty"
    NO_HEADERS = "no_headers"
    BROKEN_HEADERS = "broken_headers"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_MANY_HEADERS = "too_many_headers"
    HEADER_TOO_LONG = "header_too_long"
    TOO_DEEP = "too_deep"
    TOO_MANY_PARTS = "too_many_parts"
    TOO_MANY_CONTINUATIONS = "too_many_continuations"
    AMBIGUOUS = "ambiguous"
    BROKEN_MIME = "broken_mime"
    LONG_LINE = "long_line"
    ALTERNATIVES_DIFFER = "alternatives_differ"
    BROKEN_ENCODING = "broken_encoding"
    ODD_ENCODING = "odd_encoding"
    UNKNOWN_ENCODING = "unknown_encoding"
    CHARSET_UNKNOWN = "charset_unknown"
    CHARSET_GUESSED = "charset_guessed"
    CHARSET_BROKEN = "charset_broken"
    CHARSET_CONFLICT = "charset_conflict"
    CHARSET_UTF7 = "charset_utf7"
    NO_MESSAGE_ID = "no_message_id"
    BAD_MESSAGE_ID = "bad_message_id"
    BAD_DATE = "bad_date"
    SUBJECT_CUT = "subject_cut"
    SENDER_MISSING = "sender_missing"
    SENDER_AMBIGUOUS = "sender_ambiguous"
    SENDER_DISPLAY_ADDRESS = "sender_display_address"
    SENDER_IDN = "sender_idn"
    """The sender's address has letters beyond ASCII: its domain is kept and shown in ASCII (RFC 5890)."""
    NULL_SENDER = "null_sender"
    BAD_RECIPIENT = "bad_recipient"
    TOO_MANY_ADDRESSES = "too_many_addresses"
    TEXT_TRUNCATED = "text_truncated"
    HTML_TRUNCATED = "html_truncated"
    HTML_TOO_LARGE = "html_too_large"
    HTML_TOO_COMPLEX = "html_too_complex"
    SIGNED = "signed"
    SMIME_OPAQUE = "smime_opaque"
    ENCRYPTED = "encrypted"
    REPORT = "report"
    PARTIAL = "partial"
    EXTERNAL_BODY = "external_body"
    TNEF = "tnef"
    FILES_IN_TEXT = "files_in_text"
    CALENDAR = "calendar"
    MAILING_LIST = "mailing_list"
    FORGED_MARK = "forged_mark"


MEANINGS: Final[dict[Flag, str]] = {
    Flag.UNPARSABLE: "The parser itself failed: only the raw mail tells the rest.",
    Flag.OUT_OF_MEMORY: "The parser ran out of memory: only its header was read.",
    Flag.OUT_OF_CPU: "The parser used up its CPU time: only its header was read.",
    Flag.OUT_OF_TIME: "The parser gave no answer in time: only its header was read.",
    Flag.PARSER_CRASHED: "The parser process ended: only its header was read.",
    Flag.ORIGINAL_LEFT_ON_SERVER: "It is larger than the mailbox takes: only its beginning was read.",
    Flag.EMPTY: "It has neither text nor attachments.",
    Flag.NO_HEADERS: "It has no header.",
    Flag.BROKEN_HEADERS: "Some lines of its header are no fields, or are written in a way that is not allowed.",
    Flag.HEADERS_TOO_LARGE: "Its header is larger than 256 KiB; the rest of it was not read.",
    Flag.TOO_MANY_HEADERS: "It has more than 1,000 header fields; those after them were not read.",
    Flag.HEADER_TOO_LONG: "A header field is longer than 16 KiB (64 KiB with addresses), and was cut.",
    Flag.TOO_DEEP: "It nests deeper than 20 levels; what lies deeper was not opened.",
    Flag.TOO_MANY_PARTS: "It has more than 500 parts; those after them were not read.",
    Flag.TOO_MANY_CONTINUATIONS: "A parameter has more than 50 pieces; those after them were not read.",
    Flag.AMBIGUOUS: "Programs may read its structure differently (two Content-Types or boundaries): no HTML is kept.",
    Flag.BROKEN_MIME: "Its parts are not marked off as they should be.",
    Flag.LONG_LINE: "A line is longer than the 998 characters that mail allows.",
    Flag.ALTERNATIVES_DIFFER: "Its text and its HTML say different things; the text is shown.",
    Flag.BROKEN_ENCODING: "A transfer encoding is broken; what could be decoded was.",
    Flag.ODD_ENCODING: "A transfer encoding is named twice, in a wrong place or by a wrong name.",
    Flag.UNKNOWN_ENCODING: "A transfer encoding is not known; the part was left as it is.",
    Flag.CHARSET_UNKNOWN: "It names a charset that is none.",
    Flag.CHARSET_GUESSED: "The charset of a text had to be guessed.",
    Flag.CHARSET_BROKEN: "Some characters do not exist in their charset, and are lost (�).",
    Flag.CHARSET_CONFLICT: "The HTML names another charset than the mail, whose word counts.",
    Flag.CHARSET_UTF7: "It is written in UTF-7, which hides text from scanners.",
    Flag.NO_MESSAGE_ID: "It has no Message-ID.",
    Flag.BAD_MESSAGE_ID: "Its Message-ID is not written as it should be.",
    Flag.BAD_DATE: "Its date is none.",
    Flag.SUBJECT_CUT: "Its subject is longer than 1,000 characters, and was cut.",
    Flag.SENDER_MISSING: "It names no sender.",
    Flag.SENDER_AMBIGUOUS: "It names several senders, or one that cannot be read.",
    Flag.SENDER_DISPLAY_ADDRESS: "The sender's name looks like an address, but not like the sender's.",
    Flag.SENDER_IDN: "The sender's domain has letters beyond ASCII; some look like others.",
    Flag.NULL_SENDER: "It wants no answer (null sender).",
    Flag.BAD_RECIPIENT: "A recipient is no address, and was left out.",
    Flag.TOO_MANY_ADDRESSES: "It has more than 500 recipients; those after them were not read.",
    Flag.TEXT_TRUNCATED: "Its text is longer than 256 KiB, and was cut.",
    Flag.HTML_TRUNCATED: "Its HTML is longer than 512 KiB, and was cut.",
    Flag.HTML_TOO_LARGE: "Its HTML is larger than 1 MiB; only its text is kept.",
    Flag.HTML_TOO_COMPLEX: "Its HTML nests deeper than 200 elements, or has too many tags; only its text is kept.",
    Flag.SIGNED: "It is signed; the signature was not checked.",
    Flag.SMIME_OPAQUE: "Its content lies inside its S/MIME signature, and was not opened.",
    Flag.ENCRYPTED: "It is encrypted, and was not decrypted.",
    Flag.REPORT: "It is a report by a mail program: a bounce, a read receipt or a complaint.",
    Flag.PARTIAL: "It is one piece of a larger mail; pieces are not joined.",
    Flag.EXTERNAL_BODY: "Its content lies elsewhere, and was not fetched.",
    Flag.TNEF: "It carries a file of Outlook's own (winmail.dat).",
    Flag.FILES_IN_TEXT: "Its text held files (uuencode, yEnc or BinHex), which are attachments now.",
    Flag.CALENDAR: "It is an invitation, or another message between calendars.",
    Flag.MAILING_LIST: "It came through a mailing list.",
    Flag.FORGED_MARK: "It carries what looks like a mark of our own mails and is none.",
}
"""For people. The filter sets the last one, because the parser has no keys."""


def explained(flags: Iterable[str]) -> str:
    """What these flags mean, in sentences; an unknown one (of a newer version) is left out."""
    known = (Flag(one) for one in flags if one in MEANINGS)
    return " ".join(MEANINGS[one] for one in known)
