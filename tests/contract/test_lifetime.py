import subprocess
import sys
import textwrap
import threading

import pytest

from radius.domain.errors import Unavailable
from radius.store.open import StoreKind, open_store
from tests.contract.values import change, name, soon
from tests.fixtures_engine import ROOT, Engine, new_prefix, settings


@pytest.fixture
def opened_prefix(engine: Engine, kind: StoreKind) -> str:
    prefix = new_prefix()
    opened = open_store(settings(engine.url, kind, prefix))
    opened.create_tables()
    assert opened.close()
    return prefix


def test_close_leaves_no_thread_and_refuses_from_then_on(engine: Engine, kind: StoreKind, opened_prefix: str) -> None:
    before = set(threading.enumerate())
    opened = open_store(settings(engine.url, kind, opened_prefix))
    threads = [threading.Thread(target=opened.subscribers.commit, args=(change(name(n), 1), soon())) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(Unavailable):
        opened.subscribers.read(name(1), soon())


def test_a_process_with_a_store_ends_cleanly_in_the_middle_of_work(
    engine: Engine, kind: StoreKind, opened_prefix: str
) -> None:
    """Opened in one thread, used by many others, and not closed: exit code 0 and nothing on standard error."""
    program = textwrap.dedent(
        f"""
        import threading, time
        from radius.store.open import open_store, StoreKind
        from tests.contract.values import change, name, soon
        from tests.fixtures_engine import settings
        store = open_store(settings({engine.url!r}, StoreKind({kind.value!r}), {opened_prefix!r}))
        stop = time.monotonic() + 0.5
        def work(number):
            version = 0
            while time.monotonic() < stop:
                version += 1
                store.subscribers.commit(change(name(number), version), soon())
                store.subscribers.read(name(number), soon())
        for number in range(50):
            threading.Thread(target=work, args=(number,)).start()
        """
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
