"""Resumable uploads: the tus protocol, the rows, and the stored parts."""
