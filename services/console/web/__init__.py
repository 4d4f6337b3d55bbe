"""The console's web pages: HTML made here, by templates; usable without a script. `table.PAGES` is all there are."""
