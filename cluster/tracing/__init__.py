"""Traces of requests and jobs: context between processes, spans, their store and their export."""
