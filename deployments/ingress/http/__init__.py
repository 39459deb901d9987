"""HTTP: the application, its middleware, request bodies, streams, ranges, problems."""
