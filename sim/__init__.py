"""The product's own core in worlds that can be chosen step by step."""

from sim.cluster import SimCluster as SimCluster
from sim.cluster import SimNode as SimNode
from sim.disk import Draw as Draw
from sim.disk import PowerCut as PowerCut
from sim.disk import SimulatedDisk as SimulatedDisk
from sim.disk import keep_all as keep_all
from sim.disk import lose_all as lose_all
