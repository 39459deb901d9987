"""Real servers for tests: started privately, ended by process id, gone when the tests are."""
