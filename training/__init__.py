"""Training: the recipe of the shipped nano model (seeded grammar -> corpus -> tokenizer -> weights
-> OpenVINO IR -> card).
"""
