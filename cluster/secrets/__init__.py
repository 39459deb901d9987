"""Key files of the home directory, and encryption of secrets at rest."""
