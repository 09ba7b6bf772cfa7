"""What may people read of an error? (our own in full; of any other its type and place: its words may quote a row)"""

from __future__ import annotations

import traceback

from include.errors import DataPlatformError

_FRAMES = 8


def scrubbed(error: BaseException) -> str:
    """The text that may stand in a log, an XCom or an alert."""
    return str(error) if isinstance(error, DataPlatformError) else f"{kind(error)}\n  where: {place(error)}"


def kind(error: BaseException) -> str:
    """The error's type in full."""
    return f"{type(error).__module__}.{type(error).__qualname__} (its words may hold values: left out)"


def place(error: BaseException) -> str:
    """The calls that led to it, without the values that they worked on."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " > ".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames) or "unknown"


def _short(path: str) -> str:
    parts = path.replace("\\", "/").split("/")
    return "/".join(parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-3:])
