"""Three made-up estates: what would the systems of two energy retailers hold, if we were free to invent it?

`generate.py` invents (no I/O, the same data for the same seed and size on every machine), `dirt.py` says and counts
what is wrong with it on purpose, `seed.py` writes it to the servers, `day_*.py` let a business day happen there.
No value belongs to a real person: names are made of syllables, e-mail addresses end in the domains of RFC 2606,
telephone numbers are Ofcom's for drama, postcode areas and National Insurance prefixes are never given to anybody.
"""
