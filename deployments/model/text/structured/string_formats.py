"""JSON Schema's string formats, as the regular expressions that responses are held to.

Each describes a part of its format: enough to write any usual value, and nothing that is invalid.
Sources: RFC 3339 (dates and times), RFC 5321 and 1035 (addresses, host names), RFC 9562 (uuid),
RFC 3986 (uri).
"""

from typing import Final

_DAY = r"((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_DATE = r"[1-9][0-9]{3}-" + _DAY
_ZONE = r"(Z|[+\-]([01][0-9]|2[0-3]):[0-5][0-9])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?" + _ZONE
_LABEL = r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
_HOST = _LABEL + r"(\." + _LABEL + r")*"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PATH = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]"

FORMATS: Final = {
    "date": _DATE,
    "time": _TIME,
    "date-time": _DATE + "T" + _TIME,
    "email": r"[A-Za-z0-9_+\-]+(\.[A-Za-z0-9_+\-]+)*@(" + _LABEL + r"\.)+[A-Za-z]{2,24}",
    "hostname": _HOST,
    "ipv4": rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "uri": rf"[a-z][a-z0-9+.\-]*://{_HOST}(:[1-9][0-9]{{1,4}})?(/{_PATH}*)*"
    rf"(\?({_PATH}|[/?])*)?(#({_PATH}|[/?])*)?",
}
