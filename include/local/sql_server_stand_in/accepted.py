"""What is accepted though it has no effect here, and why is that no harm?

This is the whole list: whatever else a statement asks for is either done or refused.
"""

from __future__ import annotations

from dataclasses import dataclass

_ON_OFF = ("ON", "OFF")


@dataclass(frozen=True)
class Accepted:
    """The values that may be set; why they need no effect, empty where they have one."""

    values: tuple[str, ...]
    why: str = ""


_AS_ALWAYS = "the stand-in always behaves as with this value"
_NO_WARNINGS = "the stand-in gives no warnings"

SET_OPTIONS = {
    "NOCOUNT": Accepted(_ON_OFF),
    "XACT_ABORT": Accepted(_ON_OFF),
    "LANGUAGE": Accepted(("US_ENGLISH",), "all messages are in English"),
    "ANSI_NULLS": Accepted(("ON",), _AS_ALWAYS),
    "ANSI_NULL_DFLT_ON": Accepted(("ON",), _AS_ALWAYS),
    "ANSI_PADDING": Accepted(("ON",), _AS_ALWAYS),
    "ANSI_WARNINGS": Accepted(("ON",), _NO_WARNINGS),
    "ARITHABORT": Accepted(("ON",), _AS_ALWAYS),
    "CONCAT_NULL_YIELDS_NULL": Accepted(("ON",), _AS_ALWAYS),
    "CURSOR_CLOSE_ON_COMMIT": Accepted(("ON",), "there are no cursors"),
    "QUOTED_IDENTIFIER": Accepted(("ON",), _AS_ALWAYS),
    "TEXTSIZE": Accepted(("2147483647",), _AS_ALWAYS),
}
"""Those of the ANSI group are what pymssql says when it logs in."""

CHANGE_TRACKING_OPTIONS = {
    "CHANGE_RETENTION": "nothing expires by itself: a test says `EXEC standin.clean_change_tracking`",
    "AUTO_CLEANUP": "see CHANGE_RETENTION",
}
