"""What a user would take instead of us: each with a lock, an environment and a process of its own."""
