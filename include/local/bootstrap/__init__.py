"""What must be on the machine before anything else can run: fetched, verified and put below `.venv` and `.local`.

Runs on the machine's own Python (3.9 or later) with the standard library alone; see `/bootstrap`.
"""
