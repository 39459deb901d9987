"""A benchmark of this working tree beside the same one of another commit, round by round."""
