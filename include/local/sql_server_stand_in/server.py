"""The server: one listening socket, one reading thread and one working thread a connection, one DuckDB connection a session."""
from __future__ import annotations

import argparse
import datetime as dt
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import traceback

import duckdb

from . import catalog, protocol as p
from .dialect import SqlError, macros, quote
from .protocol import Disconnected, Reader, Reply, Wire
from .session import Session


class Engine:
    """What all sessions share: the DuckDB instance, the databases, the fault to come."""

    def __init__(self, folder: str | None = None, logins: dict[str, str] | None = None, log=None):
        self.folder, self.logins, self.log = folder, logins or {"sa": "Standin-1"}, log
        self.root = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
        for macro in macros():
            self.root.execute(macro)
        self.databases: dict[str, catalog.Database] = {}
        self.lock = threading.RLock()
        self.fault: dict | None = None
        self.plans: dict = {}   # translated statements, good until the next DDL
        self.ddl = 0
        self.sessions: set[Session] = set()
        self.spids = iter(range(51, 1 << 30))
        self._open("master")
        if folder:
            for f in sorted(os.listdir(folder)):
                if f.endswith(".duckdb") and f != "master.duckdb":
                    self._open(f[:-7])

    def internal(self, sql: str, args=()) -> None:
        """Outside any session's transaction: DuckDB lets one transaction write to one database only."""
        with self.lock:
            self.root.execute(sql, list(args))

    def schema_changes(self) -> None:
        with self.lock:
            self.ddl += 1

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name + ".duckdb") if self.folder else ":memory:"

    def _open(self, name: str) -> catalog.Database:
        self.root.execute(f"ATTACH '{self._path(name)}' AS {quote(name)}")
        db = catalog.Database(name)
        if not catalog.is_booted(self.root, name):  # new, or killed while it was made
            catalog.boot(self.root, name)
        if not catalog.is_known(self.root, name):
            catalog.add_database(self.root, db)
        catalog.load(self.root, db)
        self.databases[name.lower()] = db
        return db

    def create_database(self, name: str) -> None:
        with self.lock:
            if name.lower() in self.databases:
                raise SqlError(1801, f"Database '{name}' already exists. Choose a different database name.", 16, 3)
            self._open(name)

    def drop_database(self, name: str) -> None:
        with self.lock:
            db = self.database(name)
            self.root.execute(f"DETACH {quote(db.name)}")
            self.root.execute("DELETE FROM master._s.databases WHERE name = ?", [db.name])
            del self.databases[db.name.lower()]
            for file in (self._path(db.name), self._path(db.name) + ".wal"):
                if os.path.exists(file):
                    os.remove(file)

    def database(self, name: str) -> catalog.Database:
        db = self.databases.get(name.lower())
        if db is None:
            raise SqlError(911, f"Database '{name}' does not exist. Make sure that the name is entered correctly.", 16, 1)
        return db

    def close(self) -> None:
        """Ends what runs, folds each database's log into its file and closes it; a kill without this loses no commit."""
        for session in list(self.sessions):
            session.gone = True
            session.cancel()
        end = time.monotonic() + 2
        while any(session.duck for session in list(self.sessions)) and time.monotonic() < end:
            time.sleep(0.02)
        for db in self.databases.values():
            try:
                self.root.execute(f"CHECKPOINT {quote(db.name)}")
            except duckdb.Error:
                pass  # a transaction is still open: the log is replayed at the next start
        self.root.close()


class Connection:
    """Prelogin, login, then requests one by one; the reading thread only watches for the next request or an attention."""

    def __init__(self, engine: Engine, sock: socket.socket, tls=None):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.engine, self.sock, self.tls = engine, sock, tls
        self.wire, self.inbox, self.session, self.reader = Wire(sock), queue.Queue(), None, None

    def run(self) -> None:
        try:
            if self.login():
                self.reader = threading.Thread(target=self._read, daemon=True)
                self.reader.start()
                self._work()
        except (Disconnected, ConnectionError):
            pass
        except Exception:
            traceback.print_exc()  # whoever finds a session lost must find the reason in the server's log
        finally:
            self._end_reading()
            if self.session:
                self.session.close()
                self.engine.sessions.discard(self.session)
            try:
                self.sock.close()
            except OSError:
                pass

    def _end_reading(self) -> None:
        """Wakes the reading thread: while it sits in recv a close would send nothing, and it must not interrupt what is closed."""
        if self.reader:
            try:
                self.sock.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # the client was faster
            self.reader.join()

    # -- login
    def login(self) -> bool:
        kind, _, data = self.wire.read_message()
        if kind != p.PRELOGIN:
            return False
        asked = p.parse_prelogin(data)
        wants = asked.get(1, b"\x02")[0]
        answer = p.ENCRYPT_NOT_SUP if self.tls is None else p.ENCRYPT_ON if wants in (p.ENCRYPT_ON, p.ENCRYPT_REQ) else p.ENCRYPT_NOT_SUP
        options = {0: struct.pack(">BBHH", p.VERSION[0], p.VERSION[1], p.VERSION[2], 0), 1: bytes((answer,)), 2: b"\0", 3: b"", 4: b"\0"}
        self.wire.write_message(p.REPLY, p.build_prelogin(options))
        if answer == p.ENCRYPT_ON:
            self.wire.start_tls(self.tls)
        kind, _, data = self.wire.read_message()
        if kind != p.LOGIN7:
            return False
        login = p.parse_login7(data)
        reply = Reply(self.wire)
        if self.engine.logins.get(login.user) != login.password:
            reply.message(18456, f"Login failed for user '{login.user}'.", 14)
            return self._refuse(reply)
        name = login.database or "master"
        if name.lower() not in self.engine.databases:
            reply.message(4060, f'Cannot open database "{name}" requested by the login. The login failed.', 11)
            return self._refuse(reply)
        self.session = Session(self.engine, next(self.engine.spids), self.engine.database(name).name, login)
        self.engine.sessions.add(self.session)
        self.wire.spid = self.session.spid & 0xFFFF
        size = min(max(login.packet_size or 4096, 512), 32767)
        reply.env(p.ENV_DATABASE, self.session.db, "master")
        reply.message(5701, f"Changed database context to '{self.session.db}'.", 0, 2)
        reply.env(p.ENV_COLLATION, p.COLLATION, b"")
        reply.env(p.ENV_LANGUAGE, "us_english", "")
        reply.message(5703, "Changed language setting to us_english.", 0, 1)
        reply.login_ack()
        reply.env(p.ENV_PACKET, str(size), "4096")
        reply.done()
        reply.finish()
        self.wire.size = size
        return True

    def _refuse(self, reply: Reply) -> bool:
        reply.done(p.ERROR_BIT)
        reply.finish()
        return False

    # -- requests
    def _read(self) -> None:
        """Attention must be seen while the worker is busy, so reading is a thread of its own."""
        try:
            while True:
                message = self.wire.read_message()
                if message[0] == p.ATTENTION:
                    self.session.cancel()
                self.inbox.put(message)
        except Exception as e:
            if not isinstance(e, (Disconnected, ConnectionError)):
                traceback.print_exc()
            self.session.gone = True
            self.session.cancel()
            self.inbox.put(None)

    def _work(self) -> None:
        while (message := self.inbox.get()) is not None:
            kind, status, data = message
            reply = Reply(self.wire)
            if kind == p.ATTENTION:
                self.session.cancelled.clear()
                reply.done(p.ATTN)
                reply.finish()
                continue
            if status & (p.RESET | p.RESET_KEEP_TRAN):
                self.session.reset(keep_tran=bool(status & p.RESET_KEEP_TRAN))
                reply.env(p.ENV_RESET, b"", b"")
            r = Reader(data)
            try:
                if kind in (p.BATCH, p.RPC, p.TM):
                    p.skip_headers(r)
                if kind == p.BATCH:
                    self.session.batch(r.rest().decode("utf-16-le"), reply)
                elif kind == p.RPC:
                    self.session.rpc(r, reply)
                elif kind == p.TM:
                    self.session.transaction_manager(r, reply)
                else:
                    reply.message(50000, f"Request type {kind} is not supported.", 16)
                    reply.done(p.ERROR_BIT)
            except ConnectionResetError:  # a fault asked for
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if self.session.gone:
                return
            reply.finish()


class Server:
    """serve() in a thread of its own; port 0 picks a free one."""

    def __init__(self, port: int = 0, folder: str | None = None, logins: dict[str, str] | None = None, tls=None, log=None):
        self.engine = Engine(folder, logins, log)
        self.tls = tls
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]

    def start(self) -> "Server":
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=Connection(self.engine, sock, self.tls).run, daemon=True).start()

    def stop(self) -> None:
        self.sock.close()
        self.engine.close()


def self_signed(folder: str):
    """A certificate for localhost, made once with the cryptography package; the client must trust it (TrustServerCertificate=yes)."""
    import ssl
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    cert, keyfile = os.path.join(folder, "standin.crt"), os.path.join(folder, "standin.key")
    if not os.path.exists(cert):
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.timezone.utc)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=3650)).sign(private, hashes.SHA256())
        with open(cert, "wb") as f:
            f.write(made.public_bytes(serialization.Encoding.PEM))
        with open(keyfile, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # TDS 7 wraps the handshake: TLS 1.3's late tickets confuse clients
    context.load_cert_chain(cert, keyfile)
    return context


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--port", type=int, default=14333)
    a.add_argument("--folder", help="where the databases are kept; in memory without it")
    a.add_argument("--password-file", help="holds the password of sa; without it the password is Standin-1")
    a.add_argument("--tls-folder", help="where the self-signed certificate is kept; without it the server offers no encryption")
    a.add_argument("--log", action="store_true")
    o = a.parse_args()
    tls = self_signed(o.tls_folder) if o.tls_folder else None
    password = "Standin-1"
    if o.password_file:  # a password among the arguments could be read by every user of the machine
        with open(o.password_file, encoding="utf-8") as f:
            password = f.read().strip()
    server = Server(o.port, o.folder, {"sa": password}, tls, (lambda *x: print(time.strftime("%H:%M:%S"), *x, flush=True)) if o.log else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on 127.0.0.1:{server.port}", flush=True)
    try:
        server.serve()
    finally:
        server.stop()
        os._exit(0)  # threads that still sit in DuckDB must not meet an interpreter that is being taken down


if __name__ == "__main__":
    main()
