"""Prints the index of runbooks: `python -m cluster.production.alerts > docs/runbooks/README.md`."""

import sys

from cluster.production.alerts.documentation import document

if __name__ == "__main__":
    sys.stdout.write(document())
