"""Video: uploads, imports and the catalog of recordings, and the jobs that make clips of them."""
