"""What can go wrong between two nodes, by whose fault it is: ours, the peer's, the world's."""

from __future__ import annotations


class CommError(Exception):
    """Root of all errors of this package. Each ends one connection and nothing else."""


class PeerBroke(CommError):
    """The peer sent what no correct peer sends. The connection is of no further use."""


class Refused(CommError):
    """The handshake was refused. `code` is one of comm.handshake's codes, `text` says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} [{code}]")
        self.code = code
        self.text = text


class WeRefused(Refused):
    """This node does not want the peer."""


class PeerRefused(Refused):
    """The peer does not want this node."""


class LinkLost(CommError):
    """The connection ended, or the peer fell silent: dial again."""


class ConnectionFinished(CommError):
    """Our mistake: a connection was used after a send on it had failed or been cancelled."""


class TooLarge(CommError):
    """Our mistake: a message does not fit into a frame."""
