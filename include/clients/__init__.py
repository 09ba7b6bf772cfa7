"""One module per server that we speak to; each is the only importer of that server's library."""
