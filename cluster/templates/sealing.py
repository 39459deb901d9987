"""Texts, variables and examples of templates as they are stored: encrypted, and bound to their row.

In: a tenant, a place (template, version) and content. Out: ciphertext, and back. A row that was
changed or moved in the database does not open.
"""

import logging
from collections.abc import Callable, Sequence

import orjson

from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import DatabaseUnavailable
from cluster.templates.document import TemplateDocument
from cluster.templates.examples import TemplateExample

_PURPOSE = "templates"

log = logging.getLogger(__name__)


class TemplateSeal:
    """`secret_of` gives a tenant's secret. What cannot be opened is DatabaseUnavailable."""

    def __init__(self, secret_of: Callable[[str], bytes]) -> None:
        self._secret_of = secret_of

    def encrypt(self, tenant: str, content: bytes, *place: str) -> bytes:
        return self._box(tenant).encrypt(content, _context(tenant, *place))

    def document(self, tenant: str, sealed: bytes, *place: str) -> TemplateDocument:
        return TemplateDocument.model_validate_json(self._open(tenant, sealed, *place))

    def examples(self, tenant: str, sealed: bytes, *place: str) -> tuple[TemplateExample, ...]:
        content = orjson.loads(self._open(tenant, sealed, *place))
        return tuple(TemplateExample.model_validate(each) for each in content)

    def _open(self, tenant: str, sealed: bytes, *place: str) -> bytes:
        try:
            return self._box(tenant).decrypt(sealed, _context(tenant, *place))
        except DecryptionFailed:
            log.error("a template of tenant %s cannot be decrypted", tenant)
            raise DatabaseUnavailable from None

    def _box(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)


def dump_document(document: TemplateDocument) -> bytes:
    return orjson.dumps(document.model_dump(mode="json", exclude_defaults=True))


def dump_examples(examples: Sequence[TemplateExample]) -> bytes:
    return orjson.dumps([each.model_dump(mode="json", exclude_defaults=True) for each in examples])


def _context(tenant: str, *place: str) -> bytes:
    """The encryption context, which binds content to its row."""
    return "\0".join((tenant, *place)).encode()
