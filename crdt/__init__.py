"""What operations mean: pure values and functions, no input or output."""

from crdt.ids import ACTOR_BYTES as ACTOR_BYTES
from crdt.ids import ROOT as ROOT
from crdt.ids import Actor as Actor
from crdt.ids import Clock as Clock
from crdt.ids import Dot as Dot
from crdt.ids import Stamp as Stamp
from crdt.ids import covers as covers
from crdt.ids import inbox_of as inbox_of
from crdt.ids import includes as includes
from crdt.ids import is_inbox as is_inbox
from crdt.ids import merge as merge
from crdt.records import CHAIN_BYTES as CHAIN_BYTES
from crdt.records import RECORD_BYTES_MAX as RECORD_BYTES_MAX
from crdt.records import Record as Record
from crdt.records import first_chain as first_chain
from crdt.records import next_chain as next_chain
