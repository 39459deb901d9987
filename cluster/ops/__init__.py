"""Starting, watching and ending a Mobula cluster on this machine."""
