"""The product's own core in worlds that can be chosen step by step."""

from typing import TYPE_CHECKING

from sim.cluster import SimCluster as SimCluster
from sim.cluster import SimNode as SimNode
from sim.disk import PowerCut as PowerCut
from sim.disk import SimulatedDisk as SimulatedDisk
from sim.disk import keep_all as keep_all
from sim.disk import lose_all as lose_all
from sim.pages import Draw as Draw
from sim.sessions import Appended as Appended
from sim.sessions import Removed as Removed
from sim.sessions import SessionStep as SessionStep
from sim.sessions import Settled as Settled
from sim.sessions import Shown as Shown
from sim.sessions import Violation as Violation
from sim.sessions import find_violations as find_violations

if TYPE_CHECKING:
    from sim.scripting import Happening as Happening
    from sim.scripting import Step as Step
    from sim.scripting import play as play
    from sim.scripting import scripts as scripts


def __getattr__(name: str) -> object:
    """What is in sim.scripting is loaded when it is first named: it needs Hypothesis."""
    if name not in ("Happening", "Step", "play", "scripts"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module("sim.scripting"), name)
    globals()[name] = found
    return found
