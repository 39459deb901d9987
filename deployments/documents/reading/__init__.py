"""Documents are read here: each in a confined child of its own, whatever it is."""
