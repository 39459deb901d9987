"""Clients of replicas: how one stage calls another."""
