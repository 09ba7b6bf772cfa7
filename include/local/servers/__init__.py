"""One module per server of the laptop: how it is started, and what it answers when it is ready."""
