# SPDX-License-Identifier: Apache-2.0
"""The zygote: this interpreter, warm, forked into one sandbox after the other.

wait_to_be_born() imports what the operator lists (berth_pantry.py) and then serves
berth-sandboxer's requests for sandboxes; it returns only in a fork that has become a sandbox of its
own, where the proxy goes on as if it had just been started. No code of any action runs here, so
there is nothing that one action could leave for another.

Fresh in each fork: ids, environment, limits, descriptors, the random module (its own hook), numpy's
global generator, OpenSSL's (which notices the new process id), the main thread's id, the time that
logging counts from, everything read from the kernel. The same in all forks of one zygote, until the
sandboxer replaces it: the seed of string hashes and the places of things in memory.
"""

import os
import sys
import time

import berth_proxy
from berth_pantry import Pantry
from berth_rehearsal import rehearse

_LIBRARY = "/../zygote/libberth_zygote.so"


def _set_environment(variables):
    os.environ.clear()
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value


def _renew_state(pantry):
    # What modules took from their process at import and do not renew in a fork themselves.
    numpy_random = pantry.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    threading = pantry.get("threading")
    if threading is not None:
        threading.main_thread()._set_native_id()
    _renew_clock(pantry)


def _renew_clock(pantry):
    logging = pantry.get("logging")
    if logging is not None:  # whole nanoseconds in newer versions
        logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()


def _variables(library, count):
    return [library.berth_zygote_variable(i) for i in range(count)]


def wait_to_be_born(modules):
    """Returns in each fork, with its environment and descriptors in place. Exits with the sandboxer."""
    pantry = Pantry()
    problems = pantry.stock(modules)
    # What we need ourselves goes there as well.
    berth_proxy.keep_own("berth_archive")
    pantry.stock(["ctypes", "gc"])
    import ctypes
    import gc

    # PyDLL keeps the interpreter's lock: there is no other thread to give it to.
    library = ctypes.PyDLL(os.path.dirname(__file__) + _LIBRARY)
    library.berth_zygote_variable.restype = ctypes.c_char_p
    pantry.close()
    # What is alive now stays so; the collector must not write to it in each fork.
    gc.collect()
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    if library.berth_zygote_ready(problems.encode("utf-8", "replace")) != 0:
        os._exit(1)
    while library.berth_zygote_wait():
        ctypes.pythonapi.PyOS_BeforeFork()
        if library.berth_zygote_fork() != 0:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
            continue
        ctypes.pythonapi.PyOS_AfterFork_Child()
        at_leisure = library.berth_zygote_enter()
        _renew_state(pantry)
        if at_leisure:
            # What follows is done once before anybody waits for it: then the memory that it writes
            # to is this fork's own already.
            _set_environment(_variables(library, 1))
            rehearse()
        count = library.berth_zygote_become()
        _set_environment(_variables(library, count))
        _renew_clock(pantry)
        return
    os._exit(0)
