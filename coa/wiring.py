"""Where enforcement is put together from settings: the dispatcher of a worker, and what is done by hand."""

import os
import time
from collections.abc import Callable

from coa.dispatch import Dispatcher, News, Sending, Sent, Stores
from coa.outcome import Answer
from radius.secrets import new_write_id
from radius.wiring import BACKGROUND_DEADLINE_S, Core


def stores_of(core: Core) -> Stores:
    """What the dispatcher reads and writes."""
    store = core.store
    return Stores(core.desk, core.marks, store.sessions, store.due_work, store.attempts, core.directory, core.world)


def build_dispatcher(core: Core, sender: Sending, hand_back: Callable[[Sent, Answer], None], news: News) -> Dispatcher:
    """The dispatcher of this process, under a name of its own."""
    name = f"{core.settings.node_id}-{os.getpid()}-{new_write_id()[:4]}"
    source = core.settings.coa_source or ""
    clocks = {"monotonic": time.monotonic, "wall": time.time}
    return Dispatcher(
        stores_of(core), sender, hand_back, news, name, **clocks, deadline_s=BACKGROUND_DEADLINE_S, source=source
    )
