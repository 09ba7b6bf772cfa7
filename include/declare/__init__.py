"""How does a declaration begin? (files that are right as they stand, and say themselves what is left to do)"""
