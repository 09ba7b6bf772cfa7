"""Captured changes: rows of captured tables wait in the transaction, and get their version and LSN when it commits."""
