"""Long work on collections: their vectors made anew."""
