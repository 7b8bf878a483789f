"""Free ports on the loopback interface, each given out once."""

import socket


def free_port() -> int:
    """A port for a server that is about to start; for a minute nobody else is given it.

    A closed connection of its own holds it back: the kernel gives out no port of which one is remembered (TIME_WAIT),
    neither to another caller of this function, in whatever process, nor to a connection that goes out. A server may
    bind it all the same, as nearly every server asks to (SO_REUSEADDR, or SO_REUSEPORT).
    """
    with socket.socket() as listener, socket.socket() as caller:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        caller.connect(listener.getsockname())
        listener.accept()[0].close()  # before the caller does: who closes first remembers
        port: int = listener.getsockname()[1]
        return port
