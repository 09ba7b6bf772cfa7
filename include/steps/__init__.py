"""What one task does, put together from the verbs."""
