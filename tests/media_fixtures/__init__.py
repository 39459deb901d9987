"""Small recordings of every kind that cameras, phones and editors make, made once a session."""
