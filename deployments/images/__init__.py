"""Pictures in requests: fetched, checked, and decoded in confined children."""
