"""The guide lists the fields of the schema, as it is."""

import re

from cluster.logs.schema import FIELDS
from cluster.runtime.settings import ROOT


def test_the_guide_lists_every_field() -> None:
    guide = (ROOT / "docs" / "guides" / "logs.md").read_text()
    _, _, table = guide.partition("| Field | Lines | Meaning |")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", table.partition("\n\n")[0], re.M)

    assert rows == [(name, field.source, field.meaning) for name, field in FIELDS.items()]
