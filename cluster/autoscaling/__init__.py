"""How many replicas a model runs: pure policies, and the thin form in which Serve calls them."""
