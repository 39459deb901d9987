"""The deployment `Media`: recordings and pictures of callers, opened in confined children."""
