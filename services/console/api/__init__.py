"""The HTTP API: `/api/v1`. `routes.py` is the table of everything there is, with the least role of each."""
