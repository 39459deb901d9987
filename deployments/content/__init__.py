"""Content: briefs in, ranked captions and posts out, through pure pipelines over a `Generator`."""
