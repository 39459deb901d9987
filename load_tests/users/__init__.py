"""Who loads the cluster: one kind of user a module."""
