"""The laptop platform: the same DAGs, hooks and clients against servers on 127.0.0.1. Never in the image."""
