"""What has been read, where it lies, and how it gets into BigQuery."""
