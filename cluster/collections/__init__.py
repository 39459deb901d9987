"""Collections of points: texts and vectors that are searched by meaning and by words."""
