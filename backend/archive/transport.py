"""What pynetdicom's associations lack: packets sent at once, large reads, waiting without sleeping, a bound on what a peer may announce."""

from __future__ import annotations

import queue
import select
import socket
from typing import Any

_SLACK = 64 << 10
_IDLE_SECONDS = 0.005
_BUSY_SECONDS = 0.0002


def quicken(association: Any, max_pdu: int) -> None:
    """Tunes an association that was just connected.

    Nagle's algorithm would make each C-STORE wait 40 ms for nothing; pynetdicom reads 4 KiB at a time and sleeps a millisecond
    between looks at the socket and at its queue. A PDU beyond the negotiated length ends the connection before memory is taken for it.
    """
    held = association.dul.socket
    held.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = type("WaitingSocket", (_Waiting, type(held)), {"limit": max_pdu + _SLACK, "busy": False})
    held.__class__ = waiting
    association.dul._run_loop_delay = 0
    messages = association.dimse.msg_queue

    def get_msg(block: bool = False) -> Any:
        held.busy = False
        try:
            return messages.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            return None, None

    association.dimse.get_msg = get_msg


class _Waiting:
    """Mixed into pynetdicom's `AssociationSocket`."""

    socket: Any
    limit: int
    busy: bool
    """Whether an answer is being prepared: then the loop must look for it often."""

    @property
    def ready(self) -> bool:
        """Whether there is something to read; waits a little for it."""
        if self.socket is None:
            return False
        try:
            if getattr(self.socket, "pending", int)():
                return True
            found, _, _ = select.select([self.socket], [], [], _BUSY_SECONDS if self.busy else _IDLE_SECONDS)
        except (OSError, ValueError):
            return True  # reading then tells what is wrong
        return bool(found)

    def recv(self, size: int) -> bytearray:
        """Exactly `size` bytes, fewer only at the end of the connection. Raises OSError beyond the limit."""
        if size > self.limit:
            raise OSError("the PDU is longer than was negotiated")
        held = bytearray(size)
        filled = 0
        with memoryview(held) as view:
            while filled < size and (count := self.socket.recv_into(view[filled:])):
                filled += count
        del held[filled:]
        return held
