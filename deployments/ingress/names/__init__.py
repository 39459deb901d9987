"""Names of models: aliases, wildcards, weights between models, and rules that choose one."""
