"""The stages of the pipeline, one folder each, each its own process. No stage imports another."""
