"""HTML by a few functions, each of which escapes what it is given. No script, nothing from elsewhere. Pure."""

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping

from starlette.responses import HTMLResponse

STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem;color:#1b1b1b;"
    "background:#fff}dt{font-weight:600;margin-top:.6rem}dd{margin:0;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.6rem 1.2rem;margin-top:1.5rem;border:2px solid #0b4f9c;border-radius:.3rem;"
    "background:#0b4f9c;color:#fff;cursor:pointer}button:focus{outline:3px solid #e69f00;outline-offset:2px}"
)


def paragraph(words: str) -> str:
    """A paragraph."""
    return f"<p>{html.escape(words)}</p>"


def facts(rows: Mapping[str, str]) -> str:
    """What is what."""
    pairs = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in rows.items())
    return f"<dl>{''.join(pairs)}</dl>"


def button(words: str, query: str) -> str:
    """A form that posts to its own page, with this query."""
    return f'<form method="post" action="?{html.escape(query)}"><button>{html.escape(words)}</button></form>'


def page(title: str, *parts: str, status: int = 200, leads_to: Iterable[str] = ()) -> HTMLResponse:
    """A whole page; its form may lead to these origins."""
    name = html.escape(title)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name} - Mail Automator</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main><h1>{name}</h1>{''.join(parts)}</main></body></html>"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": _policy(leads_to)})


def _policy(leads_to: Iterable[str]) -> str:
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    forms = " ".join(["'self'", *sorted(leads_to)])
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    )
