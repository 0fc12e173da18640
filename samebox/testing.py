"""For tests of what is built on samebox: a cluster in one process, or of real processes.

`SimCluster` runs the core of several nodes without time, disk or network, one chosen step after the
other. `LocalCluster` starts nodes on this machine, with lines between them that can be cut;
`SteadyWriter` writes at one of them and keeps account of what was confirmed.

`find_violations` judges from outside what the sessions of a run were told and shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from samebox.io.control_client import NodeGone as NodeGone
from samebox.io.control_client import NodeRefused as NodeRefused
from samebox.io.control_client import NotReachable as NotReachable
from samebox.io.conversation import Conversation as Conversation
from samebox.io.lines import Weather as Weather
from samebox.io.local_cluster import Agreed as Agreed
from samebox.io.local_cluster import ClusterFailed as ClusterFailed
from samebox.io.local_cluster import LocalCluster as LocalCluster
from samebox.io.local_cluster import LocalNode as LocalNode
from samebox.io.local_cluster import command as command
from samebox.io.local_cluster import environment as environment
from samebox.io.local_cluster import free_ports as free_ports
from samebox.io.local_cluster import local_node_list as local_node_list
from samebox.io.local_cluster import until as until
from samebox.io.steady_writer import SteadyWriter as SteadyWriter
from sim import Appended as Appended
from sim import Removed as Removed
from sim import SessionStep as SessionStep
from sim import Settled as Settled
from sim import Shown as Shown
from sim import SimCluster as SimCluster
from sim import SimNode as SimNode
from sim import Violation as Violation
from sim import find_violations as find_violations

if TYPE_CHECKING:
    from sim import Happening as Happening
    from sim import Step as Step
    from sim import play as play
    from sim import scripts as scripts


def __getattr__(name: str) -> object:
    """What makes scripts is loaded when it is first named: it needs Hypothesis."""
    if name not in ("Happening", "Step", "play", "scripts"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import sim

    return getattr(sim, name)
