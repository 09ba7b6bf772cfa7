"""How is a client served, from its first packet to its last?

Two threads: one reads requests, and sees an attention while another request is being answered; one answers.
"""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import threading
import traceback
from contextlib import suppress

from include.local.sql_server_stand_in.engine import Engine
from include.local.sql_server_stand_in.errors import SqlError
from include.local.sql_server_stand_in.faults import Meeting
from include.local.sql_server_stand_in.output import Reset
from include.local.sql_server_stand_in.requests import Requests
from include.local.sql_server_stand_in.session import Session
from include.local.sql_server_stand_in.tds import codes
from include.local.sql_server_stand_in.tds.login import Login, prelogin, read_login, read_prelogin
from include.local.sql_server_stand_in.tds.reader import Reader
from include.local.sql_server_stand_in.tds.reply import Reply
from include.local.sql_server_stand_in.tds.wire import Disconnected, Wire

Message = tuple[int, int, bytes]
_VERSION_OPTION, _ENCRYPTION_OPTION = 0, 1
_SMALLEST_PACKET, _USUAL_PACKET, _LARGEST_PACKET = 512, 4096, 32767


class Connection:
    def __init__(self, engine: Engine, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._engine, self._sock, self._tls = engine, sock, tls
        self._wire = Wire(sock)
        self._inbox: queue.Queue[Message | None] = queue.Queue()

    def run(self) -> None:
        """Until the client has gone; whatever happens, all that belongs to it is given back."""
        try:
            session = self._log_in()
            if session:
                self._serve(session)
        except (Disconnected, ConnectionError):
            pass
        except Exception:  # noqa: BLE001  whoever finds a session lost must find the reason in the server's log
            traceback.print_exc()
        finally:
            with suppress(OSError):
                self._sock.close()

    def _serve(self, session: Session) -> None:
        reader = threading.Thread(target=self._read, args=(session,), daemon=True)
        reader.start()
        try:
            self._answer(session)
        finally:
            self._end_reading(reader)
            session.close()
            self._engine.sessions.discard(session)

    def _end_reading(self, reader: threading.Thread) -> None:
        """While it sits in recv a close would send nothing, and it must not interrupt what is closed."""
        with suppress(OSError):  # the client was faster
            self._sock.shutdown(socket.SHUT_RD)
        reader.join()

    # --- login

    def _log_in(self) -> Session | None:
        if not self._agree_on_encryption():
            return None
        kind, _, data = self._wire.read_message()
        if kind != codes.LOGIN7:
            return None
        login, reply = read_login(data), Reply(self._wire)
        try:
            session = self._admitted(login)
        except SqlError as error:
            reply.error(error)
            reply.done(codes.FAILED)
            reply.finish()
            return None
        self._greet(session, login, reply)
        return session

    def _agree_on_encryption(self) -> bool:
        kind, _, data = self._wire.read_message()
        if kind != codes.PRELOGIN:
            return False
        asked = read_prelogin(data).get(_ENCRYPTION_OPTION, bytes((codes.ENCRYPT_NOT_SUPPORTED,)))[0]
        is_on = self._tls is not None and asked in (codes.ENCRYPT_ON, codes.ENCRYPT_REQUIRED)
        version = struct.pack(">BBHH", *codes.VERSION, 0)
        answer = bytes((codes.ENCRYPT_ON if is_on else codes.ENCRYPT_NOT_SUPPORTED,))
        options = {_VERSION_OPTION: version, _ENCRYPTION_OPTION: answer, 2: b"\0", 3: b"", 4: b"\0"}
        self._wire.write_message(codes.REPLY, prelogin(options))
        if is_on and self._tls:
            self._wire.start_tls(self._tls)
        return True

    def _admitted(self, login: Login) -> Session:
        """Raises SqlError where the login is refused."""
        engine, wanted = self._engine, login.database or "master"
        if engine.logins.get(login.user) != login.password:
            raise SqlError(18456, f"Login failed for user '{login.user}'.", 14)
        if wanted.lower() not in engine.databases:
            raise SqlError(4060, f'Cannot open database "{wanted}" requested by the login. The login failed.', 11)
        spid = next(engine.spids)
        engine.faults.check_login(Meeting(spid, login.user, wanted))
        session = Session(engine, spid, login.user, wanted)
        engine.sessions.add(session)
        return session

    def _greet(self, session: Session, login: Login, reply: Reply) -> None:
        size = min(max(login.packet_size or _USUAL_PACKET, _SMALLEST_PACKET), _LARGEST_PACKET)
        self._wire.spid = session.spid & 0xFFFF
        reply.change(codes.NEW_DATABASE, session.database, "master")
        reply.message(5701, f"Changed database context to '{session.database}'.", 0, 2)
        reply.change(codes.NEW_COLLATION, codes.COLLATION, b"")
        reply.change(codes.NEW_LANGUAGE, "us_english", "")
        reply.message(5703, "Changed language setting to us_english.", 0, 1)
        reply.login_acknowledged()
        reply.change(codes.NEW_PACKET_SIZE, str(size), str(_USUAL_PACKET))
        reply.done()
        reply.finish()
        self._wire.size = size

    # --- requests

    def _read(self, session: Session) -> None:
        try:
            while True:
                message = self._wire.read_message()
                if message[0] == codes.ATTENTION:
                    session.cancel()
                self._inbox.put(message)
        except (Disconnected, ConnectionError):
            pass
        except Exception:  # noqa: BLE001
            traceback.print_exc()
        session.is_gone = True
        session.cancel()
        self._inbox.put(None)

    def _answer(self, session: Session) -> None:
        requests = Requests(session)
        while (message := self._inbox.get()) is not None:
            kind, status, data = message
            reply = Reply(self._wire)
            if kind == codes.ATTENTION:
                session.cancelled.clear()
                reply.done(codes.ATTENDED)
                reply.finish()
                continue
            if status & (codes.RESET | codes.RESET_KEEP_TRANSACTION):
                session.reset(keep_transaction=bool(status & codes.RESET_KEEP_TRANSACTION))
                requests.forget()
                reply.change(codes.WAS_RESET, b"", b"")
            try:
                _one(requests, kind, Reader(data), reply)
            except Reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if session.is_gone:
                return
            reply.finish()


def _one(requests: Requests, kind: int, reader: Reader, reply: Reply) -> None:
    if kind in (codes.BATCH, codes.RPC, codes.TRANSACTION):
        reader.skip_headers()
    if kind == codes.BATCH:
        requests.batch(reader.rest().decode("utf-16-le"), reply)
    elif kind == codes.RPC:
        requests.call(reader, reply)
    elif kind == codes.TRANSACTION:
        requests.transaction(reader, reply)
    else:
        reply.error(SqlError(50000, f"Requests of kind {kind} are not known to the stand-in."))
        reply.done(codes.FAILED)
