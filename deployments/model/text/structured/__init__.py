"""Structured output: a checked subset of JSON Schema, regular expressions, choices and EBNF in;
compact grammars for the engines out.
"""
