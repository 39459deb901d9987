"""Our path, bare Serve and LiteLLM side by side: contenders, what is measured, the report."""
