"""Kernel features: the limit of open files, a signal when the parent dies, closing a listening socket cleanly.

All but the file limit is Linux only. Elsewhere the functions do nothing, and the service does without.
"""

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

IS_LINUX = sys.platform == "linux"
HANDSHAKE_SECONDS = 0.02
"""Time for handshakes in progress to complete after new connections are dropped."""
POLL_SECONDS = 0.005

_PR_SET_PDEATHSIG = 1
_SO_ATTACH_FILTER = 26
_TCPI_UNACKED_OFFSET = 24
"""Offset in struct tcp_info. For a listening socket the field is the number of connections not accepted yet."""

_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_FLAGS_OFFSET, _SYN_AND_ACK, _SYN = 13, 0x12, 0x02
_WHOLE_PACKET = 0xFFFFFFFF


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS reports a hard limit that it does not grant.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft


def end_with_parent(parent_pid: int) -> None:
    """Make the kernel send SIGTERM to this process when the thread that started it ends, even if it is killed."""
    if IS_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:
        # The parent died before the request to the kernel.
        os.kill(os.getpid(), signal.SIGTERM)


def let_nobody_else_connect(listening: socket.socket, seconds_max: float) -> None:
    """Drop new connections on the socket, and wait until the workers have accepted all established ones.

    Closing a listening socket resets the connections in its queue, so the queue must be empty first. Dropped clients try
    again after a second and are then refused, which is safe to retry. The filter works on every copy of the socket.
    """
    if not IS_LINUX:
        return
    with suppress(OSError):
        _drop_new_connections(listening)
        time.sleep(HANDSHAKE_SECONDS)
    deadline = time.monotonic() + seconds_max
    while _queued_connections(listening) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _drop_new_connections(listening: socket.socket) -> None:
    """Attach a socket filter (BPF) that drops packets with SYN and without ACK. It sees the TCP header first."""
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
            (_AND, 0, 0, _SYN_AND_ACK),
            (_JUMP_IF_EQUAL, 0, 1, _SYN),
            (_RETURN, 0, 0, 0),
            (_RETURN, 0, 0, _WHOLE_PACKET),
        )
    )
    instructions = ctypes.create_string_buffer(program)
    header = struct.pack("HL", len(program) // 8, ctypes.addressof(instructions))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _queued_connections(listening: socket.socket) -> int:
    try:
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCPI_UNACKED_OFFSET + 4)
    except OSError:
        return 0
    return int.from_bytes(info[_TCPI_UNACKED_OFFSET:], sys.byteorder)
