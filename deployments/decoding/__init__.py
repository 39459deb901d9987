"""Decoding of untrusted recordings, for sandboxed children: packets in, frames and samples out."""
