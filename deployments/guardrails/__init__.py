"""Guardrails: named policies of rules over what goes into models and what comes out of them.

Flows in: texts of requests and of responses, whole or in pieces. Flows out: the same texts with
what the rules redact replaced, what was found, and refusals. Knows neither HTTP nor tenants.
"""
