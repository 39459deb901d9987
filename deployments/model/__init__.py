"""One text model: a spec in, a `Generator` out, over any engine (engines/) and its tokenizer."""
