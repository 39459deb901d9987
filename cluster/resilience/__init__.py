"""What keeps a call alive, or ends it cleanly, when something below it fails."""
