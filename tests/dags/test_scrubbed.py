"""People read our own errors in full, and of another's the innermost calls; no path tells of the machine."""

from __future__ import annotations

import pytest
import yaml

from include.errors import SourceRefused
from orchestration.scrubbed import place, scrubbed


def test_our_own_words_are_left_as_they_are() -> None:
    error = SourceRefused("the login was changed", where="CRM", remedy="correct the connection")
    assert scrubbed(error) == "the login was changed\n  where: CRM\n  to do: correct the connection"


def test_the_place_is_the_innermost_calls_by_their_files_in_the_library() -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load("[")
    calls = place(caught.value).split(" > ")
    assert len(calls) == 8
    assert [call for call in calls if not call.startswith("yaml/")] == []
    assert calls[-1].endswith(" parse_node")
