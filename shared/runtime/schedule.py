"""How long to wait between two times of the same work. Pure."""

COUNTING = 0.1
"""The share of the time that each kind of counting may take: it grows with the books, and mail comes first."""
LONGEST = 600.0


def pause(seconds: float, took: float, share: float = 1) -> float:
    """So many seconds; more, if work that `took` so long would otherwise have more than its share of the time; never
    more than ten minutes on top."""
    return max(seconds, min(took * (1 / share - 1), LONGEST))
