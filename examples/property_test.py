"""Property-test an application of your own: the chores of a household, kept on its nodes.

    python -m pytest examples/property_test.py

A chore is an entry in a mailbox; who does it, marks it; what is marked is swept away. Whatever
happens to the nodes and the lines between them: they agree in the end, and no chore is lost.
"""

from hashlib import sha256

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samebox import DELETED, Address, Append, Blob, Create, Done, Expunge, Store
from samebox.testing import SimCluster, Step, play, scripts

HOME, CHORES = Address("home"), Address("home", "INBOX")
actions = st.sampled_from(["dishes", "laundry", "windows", "do", "sweep"])


class Household:
    def __init__(self) -> None:
        self.cluster = SimCluster(["kitchen", "attic", "garden"])
        self.added: list[tuple[str, int]] = []
        self.swept = False
        self.cluster.ask("kitchen", Create(HOME))
        self.cluster.heal()

    def act(self, node: str, action: str) -> None:
        if action == "do":
            self.cluster.ask(node, Store(CHORES, flags=(DELETED,)))
        elif action == "sweep":
            self.cluster.ask(node, Expunge(CHORES))
            self.swept = True
        else:
            blob = Blob(sha256(action.encode()).digest(), len(action))
            self.added.append((node, self.cluster.ask(node, Append(CHORES, blob))))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=scripts(actions))
def test_no_chore_is_lost(script: list[Step[str]]) -> None:
    home = Household()
    play(home.cluster, script, home.act)
    home.cluster.heal()
    home.cluster.check_agreement()
    outcomes = [home.cluster.nodes[node].outcomes.get(token) for node, token in home.added]
    if not home.swept:
        confirmed = sum(isinstance(outcome, Done) for outcome in outcomes)
        assert home.cluster.count("garden", CHORES) >= confirmed
