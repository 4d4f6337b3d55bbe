"""The rows of what a hostile or careless sender may write, each as the bytes of a mail. Written by us.

`flags` must be among those of the mail; where `text` is given, it stands in its text, and where `subject` is, that is
its subject. Large ones are made when they are asked for.
"""

import base64
import gzip
import quopri
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

HEAD = b"From: ann@people.example\r\nTo: support@example.com\r\nMessage-ID: <row@people.example>\r\nSubject: s\r\n"
UMLAUTS = "Größe für Käufer ändern, schöne Grüße"
PRINTER = "プリンタが動きません"
MIXED = "Grüße, 打印机 works 😀"
CODECS = ("rot13", "zlib", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "hex", "bz2", "uu", "mbcs")
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass(frozen=True)
class Row:
    """One mail of a row."""

    number: int
    name: str
    write: Callable[[], bytes]
    flags: frozenset[str] = frozenset()
    text: str | None = None
    subject: str | None = "s"
    seconds: float = 1.0
    """CPU time that it may take, on any machine."""
    files: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        return f"row {self.number}: {self.name}"


def row(number: int, name: str, raw: bytes | Callable[[], bytes], flags: str = "", **more: Any) -> Row:
    write = raw if callable(raw) else lambda: raw
    return Row(number, name, write, frozenset(flags.split()), **more)


def body(data: bytes, head: bytes = b"") -> bytes:
    return HEAD + head + b"\r\n" + data


def typed(kind: bytes, data: bytes, more: bytes = b"") -> bytes:
    return body(data, b"Content-Type: " + kind + b"\r\n" + more)


def encoded(how: bytes, data: bytes) -> bytes:
    return body(data, b"Content-Transfer-Encoding: " + how + b"\r\n")


def multipart(boundary: bytes, *parts: bytes, kind: bytes = b"mixed", parameters: bytes = b"") -> bytes:
    lines = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"multipart/" + kind + b'; boundary="' + boundary + b'"' + parameters
    return typed(head, lines + b"--" + boundary + b"--\r\n")


def nested(levels: int) -> bytes:
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return HEAD + opened + b"\r\nbottom\r\n"


def bits(name: bytes) -> bytes:
    """A part with a file of that many bytes of nonsense."""
    return b"Content-Type: application/octet-stream; name=" + name + b"\r\n\r\n\x00\x01\x02"


def bomb(levels: int) -> bytes:
    """A gzip of gzips of nothing: a gigabyte, were it ever opened."""
    data = bytes(1_000_000)
    for _ in range(levels):
        data = gzip.compress(data * 10, mtime=0)
    return data


def tnef(*files: tuple[str, bytes], long_name: str = "") -> bytes:
    """A winmail.dat ([MS-OXTNEF]) with these files."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("<BII", 2, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    out = b"\x78\x9f\x3e\x22" + struct.pack("<H", 7) + attribute(0x00069007, struct.pack("<II", 1252, 0))
    for name, data in files:
        out += attribute(0x00069002, bytes(14)) + attribute(0x00018010, name.encode("cp1252") + b"\0")
        out += attribute(0x0006800F, data)
        if long_name:
            value = long_name.encode("utf-16-le") + b"\0\0"
            named = struct.pack("<HH", 0x3, 0x8001) + bytes(16) + struct.pack("<III", 0, 5, 1)
            text = struct.pack("<HHII", 0x1F, 0x3707, 1, len(value)) + value + bytes(-len(value) % 4)
            out += attribute(0x00069005, struct.pack("<I", 2) + named + text)
    return out


def boundary_rows() -> Iterator[Row]:
    simple = b"--x\r\n\r\nhello\r\n--x--\r\n"
    yield row(4, "no boundary named", typed(b"multipart/mixed", simple), "broken_mime", text="hello")
    yield row(
        4, "never closed", typed(b"multipart/mixed; boundary=x", b"--x\r\n\r\nhello"), "broken_mime", text="hello"
    )
    yield row(4, "empty", typed(b'multipart/mixed; boundary=""', simple), "broken_mime", text="hello")
    yield row(4, "of 71 characters", multipart(b"x" * 71, b"\r\nhello"), "broken_mime", text="hello")
    yield row(4, "of 5,000 characters", multipart(b"x" * 5000, b"\r\nhello"), "broken_mime", text="hello")
    quoted = typed(b'multipart/mixed; boundary="a\\"b"', b'--a"b\r\n\r\nhello\r\n--a"b--\r\n')
    yield row(4, "with a quote in it", quoted, text="hello")
    single = typed(b"multipart/mixed; boundary='ab'", b"--ab\r\n\r\nhello\r\n--ab--\r\n")
    yield row(4, "in single quotes", single, "broken_mime", text="hello")
    other = typed(b"multipart/mixed; boundary=ab", b"--zz\r\nContent-Type: text/plain\r\n\r\nhello\r\n--zz--\r\n")
    yield row(4, "another than the one in use", other, "broken_mime", text="hello")
    inner = b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x--"
    yield row(4, "equal to the inner one", multipart(b"x", inner), "broken_mime", text="hello")
    longer = b"Content-Type: multipart/alternative; boundary=abc\r\n\r\n--abc\r\n\r\nhello\r\n--abc--"
    yield row(4, "a prefix of the inner one", multipart(b"ab", longer), "broken_mime", text="hello")


def structure_rows() -> Iterator[Row]:
    for levels in (21, 200, 1_000, 10_000):
        yield row(1, f"multipart nested {levels:,} deep", lambda levels=levels: nested(levels), "too_deep")
    for kind in (b"message/rfc822", b"message/global"):
        mails = HEAD + (b"Content-Type: " + kind + b"\r\n\r\n") * 1_000 + b"\r\nbottom"
        yield row(2, f"{kind.decode()} nested 1,000 deep", mails, "too_deep")
    parts = lambda: typed(b"multipart/mixed; boundary=x", b"--x\r\n\r\n" * 100_000)  # noqa: E731
    yield row(3, "100,000 empty parts", parts, "too_many_parts")
    yield from boundary_rows()
    two = b"Content-Type: text/html\r\n"
    yield row(5, "two Content-Types", typed(b"text/plain", b"<b>hello</b>", two), "ambiguous", text="hello")
    views = b"--a\r\nContent-Type: text/html\r\n\r\n<b>one</b>\r\n--a--\r\n--b\r\n\r\nother\r\n--b--\r\n"
    twice = typed(b"multipart/mixed; boundary=a; boundary=b", views)
    yield row(5, "two boundaries", twice, "ambiguous", text="other", files=("attachment-1.html",))
    both = typed(b"multipart/mixed; boundary=a; boundary*=utf-8''b", views)
    yield row(5, "two boundaries, one encoded", both, "ambiguous", text="one")
    fields = typed(b"multipart/mixed; boundary=a", views, b"Content-Type: multipart/mixed; boundary=b\r\n")
    yield row(5, "two multipart Content-Types", fields, "ambiguous", text="other", files=("attachment-1.html",))
    yield row(
        6, "no boundary, and a text", typed(b"multipart/mixed", b"hello there"), "broken_mime", text="hello there"
    )
    yield row(11, "message/partial", typed(b"message/partial; id=x; number=1; total=2", b"hello"), "partial")
    away = typed(
        b'message/external-body; access-type=URL; URL="http://192.0.2.1/"', b"Content-Type: text/plain\r\n\r\n"
    )
    yield row(11, "message/external-body", away, "external_body")
    plain = b"\r\nPlease pay nothing, all is well"
    html = b"Content-Type: text/html\r\n\r\n<p>Your account expires, click immediately</p>"
    differ = multipart(b"x", plain, html, kind=b"alternative")
    yield row(12, "text and HTML differ wholly", differ, "alternatives_differ", text="Please pay nothing")
    image = b"Content-Type: image/png; name=%s\r\nContent-ID: <same>\r\n\r\nPNG%s"
    page = b"Content-Type: text/html\r\n\r\n<p>hi <img src=cid:nobody></p>"
    related = multipart(
        b"x", image % (b"a", b"1"), page, image % (b"b", b"2"), kind=b"related", parameters=b"; start=no"
    )
    yield row(13, "related without its root, one cid twice, one never used", related, text="hi", files=("a", "b"))
    facts = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org"
    report = multipart(b"x", b"\r\nfailed", facts, kind=b"report", parameters=b"; report-type=delivery-status")
    yield row(14, "a delivery report", report, "report", text="failed")


def encoding_rows() -> Iterator[Row]:
    yield row(7, "unknown", encoded(b"quantum", b"hello"), "unknown_encoding", text="hello")
    doubled = body(b"aGVsbG8=", b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n")
    yield row(7, "two fields", doubled, "odd_encoding", text="hello")
    yield row(7, "two values", encoded(b"base64, 7bit", b"aGVsbG8="), "odd_encoding", text="hello")
    yield row(7, "7-bit", encoded(b"7-bit", b"hello"), "odd_encoding", text="hello")
    yield row(7, "base64 with a comment", encoded(b"base64 (really)", b"aGVsbG8="), "odd_encoding", text="hello")
    whole = b"multipart/mixed; boundary=x", b"--x\r\n\r\nhello\r\n--x--\r\n"
    on_all = typed(*whole, b"Content-Transfer-Encoding: base64\r\n")
    yield row(7, "base64 on a multipart that is none", on_all, "odd_encoding", text="hello")
    odd = {"junk": b"!!aGVs*bG8=", "no padding": b"aGVsbG8", "dots": b"aGVs.bG8.=", "an odd length": b"aGVsbG8gd"}
    for name, data in odd.items():
        yield row(8, f"base64 with {name}", encoded(b"base64", data), "broken_encoding", text="hello")
    inner = encoded(b"base64", b"aGVsbG8=IHRoZXJl")
    yield row(8, "base64 with inner padding", inner, "broken_encoding", text="hello there")
    yield row(8, "base64 for URLs", encoded(b"base64", b"Pz8_aGVsbG8-"), "broken_encoding", text="???hello>")
    yield row(9, "= at the end", encoded(b"quoted-printable", b"hello="), "broken_encoding", text="hello")
    yield row(9, "no digits", encoded(b"quoted-printable", b"hel=ZZlo"), "broken_encoding", text="hel=ZZlo")
    lower = typed(b"text/plain; charset=utf-8", b"h=c3=a4llo", b"Content-Transfer-Encoding: quoted-printable\r\n")
    yield row(9, "lower-case digits", lower, "broken_encoding", text="hällo")
    flood = encoded(b"quoted-printable", b"hello" + b"=\r\n" * 100_000)
    yield row(9, "a flood of soft breaks", flood, "broken_encoding", text="hello")
    block = b"hi\r\nbegin 644 test.txt\r\n#0V%T\r\n`\r\nend\r\nbye"
    yield row(10, "uuencode in a text", body(block), "files_in_text", text="hi", files=("test.txt",))
    transfer = typed(b"application/octet-stream; name=a.bin", block, b"Content-Transfer-Encoding: x-uuencode\r\n")
    yield row(10, "uuencode as transfer encoding", transfer, files=("a.bin",))
    zeros = typed(b"application/octet-stream; name=a.bin", b"begin 644 x\r\n" + b"M\r\n" * 100_000 + b"`\r\nend")
    zeros = zeros.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n", 1)
    yield row(10, "uuencode that says more than is there", zeros, "broken_encoding", files=("a.bin",))
    yenc = body(b"hi\r\n=ybegin line=128 size=3 name=a.bin\r\n\xfa\xfb\r\n=yend size=3\r\nbye")
    yield row(10, "yEnc in a text", yenc, "files_in_text", text="bye", files=("a.bin.yenc",))
    binhex = body(b"hi\r\n(This file must be converted with BinHex 4.0)\r\n\r\n:abc:\r\nbye")
    yield row(10, "BinHex in a text", binhex, "files_in_text", text="bye", files=("file.hqx",))
    outlook = tnef(("SHORT~1.TXT", b"one"), ("b.bin", b"two"))
    names = ("winmail.dat", "SHORT_1.TXT".replace("_", "~"), "b.bin")
    head = b"Content-Transfer-Encoding: base64\r\n"
    winmail = typed(b"application/ms-tnef; name=winmail.dat", base64.encodebytes(outlook), head)
    yield row(10, "TNEF", winmail, "tnef", files=names)
    cut = typed(b"application/ms-tnef; name=winmail.dat", base64.encodebytes(outlook[:-9]), head)
    yield row(10, "TNEF, cut off", cut, "tnef", files=names[:2])


def secret_rows() -> Iterator[Row]:
    def smime(kind: bytes) -> bytes:
        head = b"Content-Transfer-Encoding: base64\r\n"
        return typed(b"application/pkcs7-mime; name=smime.p7m; smime-type=" + kind, b"MIIB", head)

    yield row(15, "S/MIME, encrypted", smime(b"enveloped-data"), "encrypted", files=("smime.p7m",))
    yield row(15, "S/MIME, opaque signed", smime(b"signed-data"), "smime_opaque signed", files=("smime.p7m",))
    sealed = b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1"
    secret = b"Content-Type: application/octet-stream; name=e.asc\r\n\r\n-----BEGIN PGP MESSAGE-----\r\nx"
    protocol = b'; protocol="application/pgp-encrypted"'
    pgp = multipart(b"x", sealed, secret, kind=b"encrypted", parameters=protocol)
    yield row(15, "PGP, encrypted", pgp, "encrypted", files=("attachment-1.bin", "e.asc"))
    signature = b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----"
    signed = multipart(b"x", b"\r\nhello", signature, kind=b"signed")
    yield row(15, "PGP, signed", signed, "signed", text="hello", files=("attachment-2.asc",))
    inline = body(b"-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----\r\n")
    yield row(15, "PGP within the text", inline, "encrypted", text="BEGIN PGP")


def byte_rows() -> Iterator[Row]:
    yield row(16, "nothing at all", b"", "empty", subject="")
    yield row(16, "only a header", HEAD, "empty")
    yield row(16, "only a header, with its end", HEAD + b"\r\n", "empty")
    yield row(16, "only a body", b"\r\nhello", "no_headers", subject="", text="hello")
    yield row(16, "only line ends", b"\r\n\r\n\r\n", "empty", subject="")
    ends = {"LF": b"\n", "CR": b"\r", "CR CR LF": b"\r\r\n"}
    for name, end in ends.items():
        yield row(17, name, (HEAD + b"\r\nhello\r\nthere").replace(b"\r\n", end), text="hello\nthere")
    yield row(
        17, "CR in the header, LF in the body", HEAD.replace(b"\r\n", b"\r") + b"\rhello\nthere", text="hello\nthere"
    )
    yield row(17, "mixed line ends", HEAD.replace(b"\r\n", b"\n") + b"\r\nhello\rthere\n", text="hello\nthere")
    yield row(17, "NUL in the text", body(b"hel\x00lo"), text="hello")
    yield row(17, "NUL in a field's name", b"X-O\x00dd: y\r\n" + body(b"hello"), "broken_headers", text="hello")
    yield row(17, "0x1A in the text", body(b"hello\x1a there"), text="hello there")
    yield row(18, "25 MB in one line", lambda: body(b"x" * 25_000_000), "long_line text_truncated")
    yield row(18, "998 characters", body(b"x" * 998 + b"\r\n"), text="x" * 998)
    for length in (999, 100_000):
        yield row(18, f"a line of {length:,}", body(b"x" * length + b"\r\n"), "long_line", text="x" * 999)
    yield row(19, "an mbox's first line", b"From a@b Mon Mar  2 10:00:00 2026\r\n" + body(b"hello"), text="hello")
    yield row(19, "empty lines before the header", b"\r\n\r\n \r\n" + body(b"hello"), "broken_headers", text="hello")
    smuggled = b"hello\n.\r\nMAIL FROM:<x@evil.example>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\n.\n"
    yield row(20, "another mail after a dot", body(smuggled), text="smuggled")
    yield row(20, "lines of one dot", body(b".\r\n.\r\nhello\r\n.\r\n"), text="hello")
    yield row(
        21, "a header of 1 MB without end", HEAD + b"X-A: bbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 35_000, "headers_too_large"
    )
    many = lambda: HEAD + b"X: y\r\n" * 100_000 + b"\r\nhello"  # noqa: E731
    yield row(22, "100,000 fields", many, "too_many_headers", text="hello")
    one = lambda: HEAD + b"X: " + b"y" * 16_000_000 + b"\r\n\r\nhello"  # noqa: E731
    yield row(22, "a field of 16 MB", one, "headers_too_large", text="hello")
    yield row(23, "a line without colon", body(b"hello", b"no colon\r\n"), "broken_headers", text="hello")
    blank = HEAD.replace(b"Subject:", b"Subject :") + b"\r\nhello"
    yield row(23, "a blank before the colon", blank, "broken_headers", text="hello")
    yield row(23, "an 8-bit name first", b"S\xfcbject: t\r\n" + body(b"hello"), "broken_headers", text="hello")
    yield row(23, "a colon first", b": x\r\n" + body(b"hello"), "broken_headers", text="hello")
    yield row(23, "a continuation first", b" of nothing\r\n" + body(b"hello"), "broken_headers", text="hello")
    for size in (60, 150):
        huge = lambda size=size: body(b"hello\r\n" + b"word " * (size * 200_000))  # noqa: E731
        yield row(24, f"a text of {size} MB", huge, "text_truncated", text="hello", seconds=5.0)
    filed = lambda: multipart(b"x", b"\r\nhello", bits(b"b.bin") + b"z" * 60_000_000)  # noqa: E731
    yield row(24, "a file of 60 MB", filed, text="hello", files=("b.bin",), seconds=5.0)
    zipped = lambda: multipart(b"x", b"\r\nhello", bits(b"42.zip") + base64.b64encode(bomb(3)))  # noqa: E731
    yield row(25, "a bomb of gzips", zipped, text="hello", files=("42.zip",))
    pdf = b"%PDF-1.4\n" + b"<</Filter[" + b"/FlateDecode" * 20_000 + b"]>>"
    yield row(
        25, "a bomb of a PDF", multipart(b"x", b"\r\nhello", bits(b"a.pdf") + pdf), text="hello", files=("a.pdf",)
    )
    virus = multipart(b"x", b"\r\nhello", b"Content-Type: application/x-msdownload; name=eicar.com\r\n\r\n" + EICAR)
    yield row(26, "EICAR", virus, text="hello", files=("eicar.com",))


def charset(name: bytes, data: bytes, kind: bytes = b"text/plain") -> bytes:
    return typed(kind + b'; charset="' + name + b'"', data, b"Content-Transfer-Encoding: 8bit\r\n")


def charset_rows() -> Iterator[Row]:
    latin = UMLAUTS.encode("latin-1")
    for name in (b"foo", b"x-unknown", b"A" * 10_000, b"../../etc/passwd", b"utf-8\x00"):
        told = name[:20].decode("ascii").replace("\x00", " and NUL")
        yield row(27, f"the charset {told}", charset(name, latin), "charset_unknown charset_guessed", text=UMLAUTS)
    yield row(27, "an empty name", charset(b"", latin), "charset_guessed", text=UMLAUTS)
    for name in CODECS:
        yield row(28, name, charset(name.encode(), b"\\u0041 uryyb 7a"), "charset_unknown", text="\\u0041 uryyb 7a")
    yield row(29, "UTF-7", charset(b"utf-7", b"Gr+APwA3w-e"), "charset_utf7", text="Grüße")
    yield row(
        29, "UTF-7, broken", charset(b"utf-7", b"hello +\xff\xfe there"), "charset_utf7 charset_broken", text="there"
    )
    jis = PRINTER.encode("iso2022_jp")
    yield row(29, "ISO-2022-JP", charset(b"iso-2022-jp", jis), text=PRINTER)
    yield row(29, "ISO-2022-JP, unfinished", charset(b"iso-2022-jp", jis[:-3]), text=PRINTER)
    yield row(29, "ISO-2022-JP, cut", charset(b"iso-2022-jp", jis[:-4]), "charset_broken", text=PRINTER[:-1])
    yield row(29, "ISO-2022-KR", charset(b"iso-2022-kr", "프린터".encode("iso2022_kr")), text="프린터")
    yield row(29, "ISO-2022-KR, unfinished", charset(b"iso-2022-kr", "프린터".encode("iso2022_kr")[:-1]), text="프린터")
    yield row(29, "HZ", charset(b"hz-gb-2312", "打印机".encode("hz")), text="打印机")
    yield row(29, "HZ, cut", charset(b"hz-gb-2312", "打印机".encode("hz")[:-3]), "charset_broken", text="打印")
    yield row(29, "GB18030", charset(b"gb18030", "打印机坏了😀".encode("gb18030")), text="打印机坏了😀")
    yield row(29, "GB2312 with more than it has", charset(b"gb2312", "打印机€".encode("gb18030")), text="打印机€")
    yield row(29, "Shift-JIS", charset(b"shift_jis", f"{PRINTER}①髙".encode("cp932")), text=f"{PRINTER}①髙")
    yield row(29, "Shift-JIS, cut", charset(b"shift_jis", PRINTER.encode("cp932")[:-1]), "charset_broken")
    yield row(29, "KS_C_5601", charset(b"ks_c_5601-1987", "프린터 고장 똠".encode("cp949")), text="프린터 고장 똠")
    yield row(29, "Big5", charset(b"big5", "印表機壞了".encode("big5")), text="印表機壞了")
    yield row(29, "Big5 with Hong Kong's", charset(b"big5", "印表機㗎".encode("big5hkscs")), text="印表機㗎")
    yield row(29, "Big5 with Eten's", charset(b"big5", "裏恒碁".encode("cp950")), text="裏恒碁")
    yield row(29, "EUC-JP by its other name", charset(b"x-euc-jp", PRINTER.encode("euc_jp")), text=PRINTER)
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        name = codec.replace("-le", "le").replace("-be", "be").encode()
        yield row(30, f"{codec} in 8bit", charset(name, MIXED.encode(codec)), text=MIXED)
        printable = quopri.encodestring(MIXED.encode(codec))
        head = b"Content-Transfer-Encoding: quoted-printable\r\n"
        yield row(30, f"{codec} in QP", typed(b"text/plain; charset=" + name, printable, head), text=MIXED)
    yield row(
        30, "UTF-16 without a mark or ASCII", charset(b"utf-16", "打印机坏了".encode("utf-16-be")), text="打印机坏了"
    )
    yield row(
        30, "UTF-16, half a character", charset(b"utf-16-le", "hello".encode("utf-16-le") + b"x"), "charset_broken"
    )
    yield row(31, "us-ascii that is UTF-8", charset(b"us-ascii", UMLAUTS.encode()), "charset_guessed", text=UMLAUTS)
    yield row(31, "us-ascii that is latin-1", charset(b"us-ascii", latin), "charset_guessed", text=UMLAUTS)
    page = f'<meta charset="iso-8859-1"><p>{UMLAUTS}</p>'.encode()
    yield row(
        32, "another charset in the HTML", charset(b"utf-8", page, b"text/html"), "charset_conflict", text=UMLAUTS
    )


def subject(raw: bytes) -> bytes:
    return HEAD.replace(b"Subject: s", b"Subject: " + raw) + b"\r\nhello"


def subject_rows() -> Iterator[Row]:
    words = {
        "cut off": (b"=?utf-8?q?Gr=C3=BC=C3=9Fe", "Grüße"),
        "nested": (b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=", "=?utf-8?q?x?="),
        "split within a character": (b"=?utf-8?q?Gr=C3?=\r\n =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),
        "split within base64": (b"=?utf-8?B?w7zDv?= =?utf-8?B?MO8?=", "üüü"),
        "split in ISO-2022-JP": (b"=?iso-2022-jp?b?GyRCJVc=?= =?iso-2022-jp?b?JWobKEI=?=", "プリ"),
        "with CR LF and NUL": (b"=?utf-8?q?a=0D=0Ab=00c?=", "a bc"),
        "with blanks": (b"=?utf-8?q?a b c?=", "a b c"),
        "with a language": (b"=?utf-8*en?q?a?=", "a"),
        "with nothing between": (b"=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        "raw UTF-8 (RFC 6532)": ("Grüße".encode(), "Grüße"),
    }
    for name, (raw, told) in words.items():
        yield row(33, f"encoded words {name}", subject(raw), subject=told)
    unknown = subject(b"=?foo?q?Gr=FC=DFe?=")
    yield row(33, "encoded words of no charset", unknown, "charset_unknown charset_guessed", subject="Grüße")
    thousands = lambda: subject(b"\r\n ".join([b"=?utf-8?q?=41?="] * 20_000))  # noqa: E731
    yield row(33, "20,000 encoded words", thousands, "header_too_long", subject=None)
    wide = lambda: subject(b"\r\n ".join([b"=?utf-8?b?" + b"w7w" * 20 + b"?="] * 20_000))  # noqa: E731
    yield row(33, "20,000 of base64", wide, "header_too_long", subject=None)
    yield row(
        34, "a field within", subject(b"=?utf-8?q?Hi=0D=0ABcc:_x@evil.example?="), subject="Hi Bcc: x@evil.example"
    )
    separators = subject("a\u2028b\u2029c\x85d".encode())
    yield row(34, "line separators", separators, subject="a b c d")
    odd = {
        "right to left": ("a\u202egnp.exe\u2066", "agnp.exe"),
        "zero-width and tags": ("p\u200bay\u2060p\U000e0041al\ufeff\u3164", "paypal"),
        "10,000 marks": ("e" + "\u0301" * 10_000, "e" + "\u0301" * 8),
        "3,000 marks of Thai": ("e" + "\u0e47" * 3_000, "e" + "\u0e47" * 8),
        "noncharacters": ("\ufdd0a\uffff\U0001fffe", "a"),
    }
    for name, (text, told) in odd.items():
        yield row(35, name, subject(text.encode()), subject=told)
    yield row(35, "half a surrogate pair", subject(b"=?utf-16be?b?AGHYAA==?="), "charset_broken", subject="a\ufffd")
    families = "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 400
    yield row(35, "cut between what people see", subject(families.encode()), "subject_cut", subject=families[:1000])
    yield row(36, "1 MB", subject(b"a" * 1_000_000), "subject_cut headers_too_large", subject="a" * 1_000)
    yield row(36, "only blanks", subject(b"      "), subject="")
    keys = b'{"$where": "sleep(1)", "a.b": 1, "\x00": 2}'
    yield row(37, "operators and NUL", subject(keys).replace(b"hello", keys), text='{"$where"', subject=None)


def text_rows() -> Iterator[Row]:
    baits = {
        "10 MB without blanks": b"a" * 10_000_000,
        "a million >": b">" * 1_000_000,
        "200,000 lines of > > >": b"> > >\r\n" * 200_000,
        "50,000 times On … wrote:": b"On Monday, x wrote:\r\n" * 50_000,
        "On, and never wrote": b"On " * 400_000,
        "a million line ends": b"\r\n" * 1_000_000 + b"x",
        "a million blanks": b" " * 1_000_000 + b"x",
    }
    for name, data in baits.items():
        yield row(38, name, lambda data=data: body(data))


ROWS: tuple[Row, ...] = (
    *structure_rows(),
    *encoding_rows(),
    *secret_rows(),
    *byte_rows(),
    *charset_rows(),
    *subject_rows(),
    *text_rows(),
)
