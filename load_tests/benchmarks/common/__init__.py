"""What several benchmarks and tests share: private clusters, servers, clients, measurements."""
