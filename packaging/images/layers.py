# SPDX-License-Identifier: Apache-2.0
"""Makes the layers of the images inside a root that mmdebstrap has just set up; run as its hook.

    layers.py ROOT base= python=python3 nodejs=nodejs,npm ...

Writes ROOT/.berth/NAME.tar for each NAME=PACKAGES in turn: the packages are installed on top of what is
there, and the layer is what that changed (the first: everything). Changed files are told by their inode
change time and size; what was removed becomes a whiteout, as the image format has it.
"""

import os
import subprocess
import sys
import tarfile

OURS = ".berth"
# Left to the engine, or of no use in an image.
EMPTY = {"dev", "proc", "sys", "run", "tmp", "var/tmp", "var/cache/apt", "var/lib/apt/lists", "var/log",
         "var/cache/debconf"}
NEVER = {OURS, "etc/resolv.conf", "etc/hostname", "etc/machine-id", "var/cache/ldconfig/aux-cache",
         "usr/sbin/policy-rc.d"}


def facts(path):
    status = os.lstat(path)
    link = os.readlink(path) if os.path.islink(path) else None
    return status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_ctime_ns, link


def snapshot(root):
    """Every path of the root that belongs in an image, with what tells that it has changed."""
    found = {}
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root)
        inside = "" if inside == "." else inside + "/"
        folders[:] = sorted(name for name in folders if inside + name not in NEVER)
        for name in folders + sorted(files):
            if inside + name not in NEVER:
                found[inside + name] = facts(os.path.join(folder, name))
        folders[:] = [name for name in folders if inside + name not in EMPTY
                      and not os.path.islink(os.path.join(folder, name))]
    return found


def changed(before, now):
    """What a layer has to hold: a directory only for a change of its own mode or owner, or when it is new."""
    for path, fact in now.items():
        old = before.get(path)
        is_folder = fact[0] & 0o170000 == 0o040000
        if old is None or (fact[:3] != old[:3] if is_folder else fact != old):
            yield path


def removed(before, now):
    """The topmost ones only: below a whiteout nothing needs one."""
    gone = set(before) - set(now)
    return sorted(path for path in gone if os.path.dirname(path) not in gone)


def write_layer(root, target, before, now):
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted(changed(before, now)):
            layer.add(os.path.join(root, path), path, recursive=False)
        for path in removed(before, now):
            layer.addfile(tarfile.TarInfo(os.path.join(os.path.dirname(path), ".wh." + os.path.basename(path))))


def install(root, packages):
    # Without services, recommendations and questions; the lists of packages are those of mmdebstrap's run.
    subprocess.run(
        ["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "-q",
         "--no-install-recommends", *packages],
        check=True, stdin=subprocess.DEVNULL)


def main():
    root, wanted = sys.argv[1], sys.argv[2:]
    before = {}
    for layer in wanted:
        name, _, packages = layer.partition("=")
        if packages:
            install(root, packages.split(","))
        now = snapshot(root)
        write_layer(root, os.path.join(root, OURS, name + ".tar"), before, now)
        before = now


if __name__ == "__main__":
    main()
