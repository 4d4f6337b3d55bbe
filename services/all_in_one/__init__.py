"""Every service in one process group, for a laptop: starts a private broker and store where none are given."""
