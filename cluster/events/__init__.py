"""Events: what happened in a tenant, for observers here and webhooks elsewhere."""
