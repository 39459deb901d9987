"""Who may do how much: leased credits in the ingress, authorities behind them."""
