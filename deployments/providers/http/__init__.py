"""An HTTP/1.1 client for upstreams: connections to checked addresses, pooled and bounded."""
