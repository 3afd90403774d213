#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command beside a Docker engine of its own.

    with_engine.py [--registry] [--images ARCHIVE]... [--size BYTES] [--live-restore] -- COMMAND...

The engine, its containers and the command live in mount, PID and network namespaces of their own, all
files of the engine in a tmpfs there: an engine of the host is neither needed nor touched, several of
these run at once, and when the command or this program dies, even by SIGKILL, all of it is gone.

The command finds DOCKER_HOST; BERTH_ENGINE_ROOT and BERTH_ENGINE_CGROUP, for engine.py, with which it
may restart the engine; with --registry BERTH_ENGINE_REGISTRY, _USER and _PASSWORD; and BERTH_OUTER_NET,
the network namespace of outside for `nsenter --net=`, for what needs a way out: inside there is none.

Exit code: the command's; 1 if it left a container behind; 77 (SKIPPED) where an engine cannot be had,
which is 1 if BERTH_REQUIRE_ALL=1.
"""

import argparse
import ctypes
import fcntl
import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import engine as engines  # noqa: E402

SKIPPED = 77
PREFIX = "berth-engine-"
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source, target, kind, flags=0, options=""):
    check(libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags),
                     options.encode()), f"mount {target}")


def loopback_up():
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def missing(options):
    """Why there cannot be an engine here, or None."""
    if os.geteuid() != 0:
        return "a private Docker engine needs root"
    needed = ["dockerd", "containerd", "runc"] + (["docker-registry"] if options.registry else [])
    for name in needed:
        if not engines.program(name):
            return f"{name} is not installed (./dev deps services)"
    for archive in options.images:
        if not os.path.exists(archive):
            return f"{archive} is not there (./dev images)"
    if not any(os.access(folder, os.W_OK) for folder in cgroup_trees()):
        return "the control groups are not writable"
    return None


def skip(reason):
    print("SKIPPED: " + reason, flush=True)
    return 1 if os.environ.get("BERTH_REQUIRE_ALL") == "1" else SKIPPED


def cgroup_trees():
    top = "/sys/fs/cgroup"
    return [top] if os.path.exists(top + "/cgroup.controllers") else glob.glob(top + "/*/")


def remove_cgroups(name):
    for tree in cgroup_trees():
        for folder, _, _ in os.walk(os.path.join(tree, name), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def sweep():
    """Removes what others left that were killed: they no longer hold the lock of their folder."""
    for folder in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*")):
        try:
            lock = os.open(os.path.join(folder, "lock"), os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_cgroups(os.path.basename(folder))
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(lock)


def own_folder():
    """Where the tmpfs goes, and a descriptor whose lock says that it is in use."""
    folder = tempfile.mkdtemp(prefix=PREFIX)
    # Made under another name first: one that can be seen is locked.
    lock = os.open(os.path.join(folder, "lock.new"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(os.path.join(folder, "lock.new"), os.path.join(folder, "lock"))
    return folder, lock


class Interrupted(Exception):
    pass


def interrupt(number, _):
    raise Interrupted(f"signal {number}")


def wait_for(child):
    """The exit code of `child`. As PID 1 this process reaps everybody's orphans meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def inside(options, folder):
    """The first process of the namespaces."""
    check(libc.unshare(CLONE_NEWNS), "unshare the mounts")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    root = os.path.join(folder, "r")
    os.mkdir(root)
    mount("tmpfs", root, "tmpfs", 0, f"size={options.size},mode=0755")
    outer = os.path.join(root, "outer-net")
    open(outer, "w").close()
    mount("/proc/self/ns/net", outer, "", MS_BIND)
    check(libc.unshare(CLONE_NEWNET), "unshare the network")
    loopback_up()

    engine = engines.Engine(root, "/" + os.path.basename(folder), options.live_restore)
    environment = dict(os.environ, DOCKER_HOST=engine.host, BERTH_ENGINE_ROOT=root,
                       BERTH_ENGINE_CGROUP=engine.cgroup_parent, BERTH_OUTER_NET=outer,
                       DOCKER_CONFIG=os.path.join(root, "docker-config"))
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_API_VERSION"):
        environment.pop(name, None)
    if options.registry:
        engines.Registry(root).start()
        environment.update(BERTH_ENGINE_REGISTRY=engines.REGISTRY,
                           BERTH_ENGINE_REGISTRY_USER=engines.REGISTRY_USER,
                           BERTH_ENGINE_REGISTRY_PASSWORD=engines.REGISTRY_PASSWORD)
    engine.start()
    for archive in options.images:
        engine.load(archive)
    code = wait_for(subprocess.Popen(options.command, env=environment).pid)
    if not engine.running():
        engine.start()
    left = [(entry["Names"], entry["Image"], entry["Status"]) for entry in engine.containers()]
    if left:
        print(f"with_engine: left behind: {left}", file=sys.stderr)
        code = code or 1
    if code != 0:
        print("with_engine: the end of dockerd's log:\n" + engine.log()[-3000:], file=sys.stderr)
    return code if 0 <= code < 256 else 1


def outside(options, folder, lock):
    """Waits for the namespaces' first process; everything in them ends with it."""
    check(libc.unshare(CLONE_NEWPID), "unshare")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # Not before the parent's death can be seen: it may have died already.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(lock)
            code = inside(options, folder)
        except BaseException as error:  # of any kind: nothing may go up from here
            print(f"with_engine: {error!r}", file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    except Interrupted as reason:
        print(f"with_engine: {reason}", file=sys.stderr)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 1
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--registry", action="store_true", help="a registry, too")
    parser.add_argument("--images", action="append", default=[], help="an archive to load, as docker save writes it")
    parser.add_argument("--size", default="3g", help="of the engine's file system, as tmpfs reads it")
    parser.add_argument("--live-restore", action="store_true", help="containers outlive the engine")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    reason = missing(options)
    if reason:
        return skip(reason)
    sweep()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupt)
    folder, lock = own_folder()
    try:
        return outside(options, folder, lock)
    finally:
        remove_cgroups(os.path.basename(folder))
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
