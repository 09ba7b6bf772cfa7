"""`python -m include <command>`: what can I see and do from the shell?"""

from __future__ import annotations

import os
import sys

from include.cli import main

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # whom we told has heard enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
