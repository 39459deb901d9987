"""Prints the table of all metrics: `python -m cluster.metrics > docs/metrics.md`."""

import sys

from cluster.metrics.documentation import document

if __name__ == "__main__":
    sys.stdout.write(document())
