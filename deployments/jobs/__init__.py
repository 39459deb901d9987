"""Long work: jobs as rows, whose turn it is, who holds them, how they end, and who runs them."""
