"""What the server knows of its databases and tables beside their rows."""
