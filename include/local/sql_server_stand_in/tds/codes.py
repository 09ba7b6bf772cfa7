"""Which numbers of MS-TDS have which meaning?"""

from __future__ import annotations

# packets (2.2.3.1)
BATCH, RPC, REPLY, ATTENTION, TRANSACTION, LOGIN7, PRELOGIN = 1, 3, 4, 6, 14, 16, 18
END_OF_MESSAGE, IGNORE, RESET, RESET_KEEP_TRANSACTION = 0x01, 0x02, 0x08, 0x10

# DONE (2.2.7.6)
DONE, DONEPROC, DONEINPROC = 0xFD, 0xFE, 0xFF
MORE, FAILED, IN_TRANSACTION, COUNTED, ATTENDED = 0x01, 0x02, 0x04, 0x10, 0x20
OF_SELECT, OF_INSERT, OF_DELETE, OF_UPDATE, OF_PROCEDURE = 0xC1, 0xC3, 0xC4, 0xC5, 0xE0

# ENVCHANGE (2.2.7.9)
NEW_DATABASE, NEW_LANGUAGE, NEW_PACKET_SIZE, NEW_COLLATION = 1, 2, 4, 7
BEGUN, COMMITTED, ROLLED_BACK, WAS_RESET = 8, 9, 10, 18

# encryption in PRELOGIN (2.2.6.5)
ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = 1, 2, 3

# procedures that an RPC names by number (2.2.6.6)
PROCEDURES = {11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 15: "sp_unprepare"}

COLLATION = bytes.fromhex("0904d00034")
"""SQL_Latin1_General_CP1_CI_AS, code page 1252."""
SERVER_NAME, PROGRAM, VERSION = "standin", "Microsoft SQL Server", (16, 0, 1000)
