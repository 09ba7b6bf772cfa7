"""MS-TDS 7.4, the protocol of SQL Server, as far as Microsoft's driver speaks it. Knows nothing of SQL."""
