"""From staged batches to the common model and its change log, one transaction per mapping and run."""
