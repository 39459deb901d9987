"""Which replica of a model answers: pure choosers, and the thin form in which Serve calls them."""
