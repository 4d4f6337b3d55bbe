"""The page about speed holds what the benches found, and nothing else."""

import xml.etree.ElementTree as Tree
from typing import Any

from tests.bench.bars import LEFT, WIDTH, Bar, chart
from tests.bench.costs import Look, busy, per_mail
from tests.bench.cpu import Usage
from tests.bench.page import BEGIN, END, PAGE, section
from tests.bench.profiles import summary

SVG = "{http://www.w3.org/2000/svg}"


def look(seconds: float, trips: float) -> Look:
    processes = ("fetcher", "parsers", "filter", "store")
    return Look(
        usage={name: Usage(seconds, 100) for name in processes},
        trips={"fetcher": {"mails.insert": trips, "raw.insert": trips}, "bookkeeper": {"mails.find": 5 * trips}},
        waited={"fetcher": {"mails.insert": seconds}, "bookkeeper": {}},
        worked={"fetcher": seconds, "filter": seconds},
    )


def backlog(**more: Any) -> dict[str, Any]:
    return {
        "bench": "backlog",
        "machine": {"date": "2026-11-28", "commit": "abc", "cores": 2, "processor": "some", "load_average": 0.1},
        "calibration_cpu_ms_per_mail": {"policy_default": 2.0, "parser": 0.5},
        "mails": 2000,
        "mailboxes": 1,
        "mails_per_second": 321.5,
        "slowest_stage": "fetcher",
        "busy_share": {"fetcher": 0.5},
        "cpu_ratio_to_parse": dict.fromkeys(("fetcher", "parsers", "filter", "store"), 2.0),
        **per_mail(look(0, 0), look(2, 100), 2000),
        **more,
    }


def test_what_is_spent_between_two_looks_is_divided_by_the_mails() -> None:
    """The store is not ours; the bookkeeper's looks do not grow with mail."""
    found = per_mail(look(1, 10), look(3, 210), 100)
    assert found["cpu_ms_per_mail"] == dict.fromkeys(("fetcher", "filter", "parsers", "store"), 20.0)
    assert (found["cpu_ms_per_mail_ours"], found["cpu_ms_per_mail_all"]) == (60.0, 80.0)
    assert found["store_trips_per_mail_all"] == 4.0
    assert found["store_trips_per_mail"] == {"fetcher": 4.0, "bookkeeper": 10.0}


def test_a_stage_that_handles_two_batches_side_by_side_is_busy_when_both_are() -> None:
    assert busy(look(0, 0), look(5, 0), 10, 2) == {"fetcher": 0.5, "filter": 0.25}


def test_a_figure_on_the_page_is_the_one_of_the_run() -> None:
    assert "| 2,000 mails in 1 mailbox | 321.5 |" in section([backlog()])
    assert "| 2,000 mails in 50 mailboxes | 99.9 |" in section([backlog(mailboxes=50, mails_per_second=99.9)])


def fair(**more: Any) -> dict[str, Any]:
    spent = {"p50": 600.5, "p95": 700.5, "p99": 800.5, "max": 900.5}
    return {
        **backlog(),
        "bench": "fair",
        "others": 5,
        "latency_ms": {"at rest": spent, "beside a backlog": {key: 1000 + value for key, value in spent.items()}},
        "later_ms": dict.fromkeys(spent, 1000.0),
        "deepest_queue": {"filter": 77, "store": 0},
        "pages_ms": {},
        **more,
    }


def test_fair_shares_show_what_is_later_and_that_nothing_grows_with_the_backlog() -> None:
    page = section([fair(), fair(mails=20_000, deepest_queue={"filter": 78})])
    assert "| 2,000 | 321.5 | at rest | 600.5 | 700.5 | 900.5 |" in page
    assert "| 2,000 | 321.5 | beside a backlog | 1600.5 | 1700.5 | 1900.5 |" in page
    assert "| 20,000 | 321.5 | later | 1000.0 | 1000.0 | 1000.0 |" in page
    assert "| filter | 77 | 78 | 100 | 100 |" in page
    assert "page of the console" not in page


def test_pages_under_load_are_on_the_page_if_they_were_asked_for() -> None:
    pages = {"/mails": {"asked": 9, "median": 61.5, "slowest": 99.5}}
    assert "| `/mails` | 9 | 61.5 | 99.5 |" in section([fair(pages_ms=pages)])


def test_what_was_not_run_is_not_on_the_page() -> None:
    assert section([]) == ""
    assert "### Latency" not in section([backlog()])


def test_how_mailboxes_are_shared_is_told_by_event() -> None:
    event = {
        "event": "they die",
        "read_after": 31.5,
        "longest_without_reader": 31.0,
        "moves": 20,
        "least_moves": 19,
        "sign_ins_in_a_second": 5,
        "smallest_share": 9,
        "largest_share": 10,
        "most_of_mailbox": 1,
    }
    rest = ("trips_per_second_at_rest", "trips_per_mailbox_and_minute_at_rest", "documents_per_second_at_rest")
    run = {
        "bench": "leases",
        "mailboxes": 100,
        "fetchers": 10,
        "seed": 1,
        "events": [event],
        **dict.fromkeys(rest, 2.5),
    }
    assert "| they die | 31.5 | 31.0 | 20 | 19 | 5 | 9 to 10 |" in section([run])


def test_the_page_has_the_place_that_is_written() -> None:
    head, _, rest = PAGE.read_text().partition(BEGIN)
    assert head and END in rest


def test_bars_are_as_long_as_their_sums() -> None:
    """The longest fills the room, half of it is half as long."""
    svg = chart("a < b", [Bar("one", (("x", 1.0), ("y", 3.0))), Bar("two", (("x", 2.0),))])
    bars = [one for one in Tree.fromstring(svg).iter(f"{SVG}rect") if one.get("height") == "30"]
    widths = [float(one.get("width", "0")) for one in bars]
    assert widths[0] + widths[1] == WIDTH - LEFT - 70
    assert widths[2] == (widths[0] + widths[1]) / 2


def test_a_profile_tells_where_time_is_spent_and_below_what() -> None:
    raw = "main (a.py:1);work (b.py:2) 3\nmain (a.py:9) 1\n"
    with_calls, _, own = summary(raw).partition("by themselves")
    assert " 100.0  main" in with_calls and "  75.0  work" in with_calls
    assert "  75.0  work" in own and "  25.0  main" in own
