"""Other APIs' bodies and answers over the chat operation: pure functions, no I/O."""
