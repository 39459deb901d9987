"""The literals of a text that must be identical for two requests to share a response.

Embeddings of "3 tips" and "5 tips" are as near as those of paraphrases, so similarity cannot
distinguish them; comparing their literals can. In: a text. Out: bytes, in linear time.
"""

import hashlib

import regex

_LITERALS = regex.compile(
    r"""https?://\S+            # addresses
      | (?<![\w.+-])[\w.+-]++@[\w.-]+  # e-mail addresses
      | [@\#][\w.]+             # mentions, hashtags
      | \p{N}+(?:[.,:/-]\p{N}+)*(?:\s*[%€$£¥])?  # numbers, dates, times, versions
      """,
    regex.VERBOSE,
)
_ENDS = ".,;:!?)'\""


def exact_match_tokens(text: str) -> bytes:
    """A digest of numbers, addresses, mentions and hashtags, in order."""
    literals = [match.rstrip(_ENDS).casefold() for match in _LITERALS.findall(text)]
    return hashlib.blake2b("\0".join(literals).encode(), digest_size=16).digest()
