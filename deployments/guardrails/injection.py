"""Signs that a text tries to give a model instructions which are not its author's to give.

In: a text. Out: a score from 0 to 1. The heuristics know plain wording in English, German, French
and Spanish, marks of chat templates, hidden characters, and Base64 that holds any of these. They
are no proof: a text may be worded so that none of them applies.
"""

import base64
import binascii
import re

from deployments.text.folding import WORDS

MAX_CHARS = 100_000  # of a text that are read
_MIN_HIDDEN = 4  # characters that cannot be seen, beyond what emoji and other scripts need
_BLOB = re.compile(r"[A-Za-z0-9+/]{80,8000}={0,2}")
_HIDDEN = re.compile("[\u200b\u2060-\u2064\ufeff\u00ad]")
_TAGS = re.compile("[\U000e0020-\U000e007e]")
_REORDERED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FLAG = "\U0001f3f4"  # flags of regions are written with tags after this one

_EARLIER = (
    r"(?:all|any|every|the|these|those|your|my|previous|prior|above|earlier|preceding|former|"
    r"of|initial|original|system|safety)"
)
# By weight, over text without case, accents and look-alikes.
_SIGNS: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (weight, re.compile(expression))
    for weight, expression in (
        (
            0.8,
            rf"\b(?:ignore|disregard|forget|override|bypass|skip)\s+(?:{_EARLIER}\s+){{1,5}}"
            r"(?:instructions?|prompts?|rules?|directions?|guidelines?|messages?|commands?|context)",
        ),
        (0.7, r"\b(?:ignoriere?|vergiss|missachte)\s+(?:\w+\s+){0,4}(?:anweisung|regel|vorgabe)"),
        (0.7, r"\b(?:ignore[sz]?|oublie[sz]?)\s+(?:\w+\s+){0,4}(?:instructions|consignes|regles)"),
        (0.7, r"\b(?:ignora|olvida)\s+(?:\w+\s+){0,4}(?:instrucciones|reglas|ordenes)"),
        (
            0.5,
            r"\b(?:reveal|print|show|repeat|output|leak|tell me)\s+(?:\w+\s+){0,4}"
            r"(?:system prompt|initial prompt|hidden instructions|developer message)",
        ),
        (0.5, r"\byou are (?:now|no longer)\b.{0,80}\b(?:dan|unrestricted|jailbr|without|filter)"),
        (0.5, r"\b(?:developer|god|jailbreak|dan) mode\b"),
        (0.4, r"\b(?:new|updated|real) (?:system )?instructions?\s*:"),
        (0.4, r"\bdo not (?:tell|inform|mention|reveal)\b.{0,40}\b(?:user|human|anyone)\b"),
        (0.6, r"<\|(?:im_start|im_end|system|start_header_id|eot_id|endoftext)\|?>"),
        (0.5, r"\[/?inst\]|<</?sys>>|<start_of_turn>|</?(?:system|assistant)>"),
        (
            0.5,
            r"(?m)^\s{0,4}(?:#{1,4}\s*)?(?:system|assistant|developer)\s*(?:prompt|message)?\s*:",
        ),
        (0.4, r"display\s*:\s*none|font-size\s*:\s*0(?!\.?\d)|visibility\s*:\s*hidden"),
    )
)


def injection_score(text: str) -> float:
    """The scores of all signs together, as independent probabilities. Takes time linear in the
    text's length.
    """
    text = text[:MAX_CHARS]
    missing = 1.0
    plain = text.translate(WORDS)
    for weight, sign in _SIGNS:
        if sign.search(plain):
            missing *= 1 - weight
    if _FLAG not in text and _TAGS.search(text):
        missing *= 0.3
    if len(_HIDDEN.findall(text)) >= _MIN_HIDDEN:
        missing *= 0.5
    if _REORDERED.search(text):
        missing *= 0.7
    for blob in _BLOB.findall(text)[:20]:
        decoded = _decoded(blob)
        if decoded is not None:
            missing *= 0.8 * (1 - injection_score(decoded))
    return 1 - missing


def _decoded(blob: str) -> str | None:
    """Its text, if it is Base64 of one. That of a text within is shorter, so this ends."""
    try:
        decoded = base64.b64decode(blob[: len(blob) & ~3]).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if decoded.isprintable() or "\n" in decoded else None
