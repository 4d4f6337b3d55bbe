"""The consume loop that every stage runs, and what it knows of errors: `loop.py` takes, handles, publishes, settles and
acknowledges; `failures.py` decides what becomes of a mail that failed; `suspects.py` which one may be killing us."""
