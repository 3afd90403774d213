#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the runtime images out of Debian's own packages, without a registry and without an engine.

    build.py --runtimes build/runtimes --out build/images [--load]

berth/action-base     Debian, minimal, with apt and certificates: to derive from
berth/action-native   + Python, and the proxy for executables of any kind
berth/action-python   + Python, and the Python proxy
berth/action-nodejs   + Python and Node.js, and the Node.js proxy

They share their layers. OUT/berth-images.tar has all four as `docker load` (or podman) takes them; with
--load they are loaded into the engine at once. Debian's part is kept in OUT under the hash of what it is
made of, so that only the first build takes a minute. Several builds at once are safe: one works, the
others wait and find its result.
"""

import argparse
import fcntl
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = "bookworm"
# Name and packages of each layer, every one on top of those before it.
LAYERS = [("base", ["ca-certificates"]), ("python", ["python3"]), ("nodejs", ["nodejs"])]
LEFT_OUT = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*",
            "/usr/share/lintian/*"]
NO_USRMERGE = "etc/apt/preferences.d/no-usrmerge"
RUNTIMES = "/berth/runtimes"
PYTHON = ["/usr/bin/python3", "-I", "-S", "-X", "utf8", RUNTIMES + "/python/proxy.py"]
# Repository: the layers of Debian, the folders of runtimes, and the command.
IMAGES = {
    "berth/action-base": (["base"], [], ["/bin/bash"]),
    "berth/action-native": (["base", "python"], ["native"], [RUNTIMES + "/native/berth-native-runtime"]),
    "berth/action-python": (["base", "python"], ["python"], PYTHON),
    "berth/action-nodejs": (["base", "python", "nodejs"], ["nodejs"],
                            ["/usr/bin/node", RUNTIMES + "/nodejs/proxy.js"]),
}
# A function is an ordinary user; ids as in the process plugin's sandboxes.
USER = "1000:1000"
GIGABYTE = 1 << 30


def say(text):
    print("images: " + text, file=sys.stderr, flush=True)


def digest_of(folder):
    """Over names, modes and contents of its files."""
    digest = hashlib.sha256()
    for path in sorted(os.path.join(inside, name) for inside, _, names in os.walk(folder) for name in names):
        with open(path, "rb") as file:
            content = file.read()
        mode = os.stat(path).st_mode
        digest.update(f"{os.path.relpath(path, folder)}\0{mode:o}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def recipe():
    """What the images are made by, as text."""
    text = ""
    for name in ("build.py", "layers.py"):
        with open(os.path.join(HERE, name)) as file:
            text += file.read()
    return text


def candidates():
    """The versions that apt here would install, as text: with them Debian's layers grow old. "" without apt's lists."""
    packages = [package for _, packages in LAYERS for package in packages]
    shown = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages], capture_output=True, text=True)
    return "\n".join(sorted(line for line in shown.stdout.splitlines() if line.startswith(("Package:", "Version:"))))


def architecture():
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True,
                          text=True).stdout.strip()


def available_memory():
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def in_memory(command, scratch):
    """The command with a TMPDIR in memory, seen by nobody else, where that can be had: unpacking Debian
    is half the time on a disk."""
    if os.geteuid() != 0 or available_memory() < 4 * GIGABYTE:
        return command
    script = 'mount -t tmpfs -o size=2g,mode=0755 none "$0" && TMPDIR="$0" exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, scratch, *command]


def make_layers(target):
    """Debian's layers as TARGET/NAME.tar, by one run of mmdebstrap."""
    if not shutil.which("mmdebstrap"):
        sys.exit("images: mmdebstrap is not installed (./dev deps images)")
    say("unpacking Debian; this takes about a minute")
    layers = [f"{name}=" + ("" if name == "base" else ",".join(packages)) for name, packages in LAYERS]
    script = os.path.join(HERE, "layers.py")
    outputs = " ".join(f"/.berth/{name}.tar" for name, _ in LAYERS)
    command = ["mmdebstrap", "--variant=apt", "--format=null", "--include=" + ",".join(LAYERS[0][1]),
               '--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"]
    command += ["--dpkgopt=path-exclude=" + pattern for pattern in LEFT_OUT]
    command += [
        # Merged from the start, so that the package which merges later, and all of Perl with it, is not needed.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        '--setup-hook=printf "Package: usrmerge\\nPin: release *\\nPin-Priority: -1\\n" > "$1"/' + NO_USRMERGE,
        '--customize-hook=rm "$1"/' + NO_USRMERGE,
        # Copied in, because in a user namespace the hook may not be allowed to read the source tree.
        '--customize-hook=mkdir "$1/.berth"',
        "--customize-hook=copy-in " + shlex.quote(script) + " /.berth",
        '--customize-hook=/usr/bin/python3 "$1/.berth/layers.py" "$1" ' + " ".join(map(shlex.quote, layers)),
        f"--customize-hook=copy-out {outputs} {shlex.quote(target)}",
        SUITE, "/dev/null"]
    log = os.path.join(target, "mmdebstrap.log")
    with tempfile.TemporaryDirectory(prefix="berth-images-") as scratch, open(log, "wb") as output:
        os.chmod(scratch, 0o755)
        done = subprocess.run(in_memory(command, scratch), stdin=subprocess.DEVNULL, stdout=output,
                              stderr=output)
    if done.returncode != 0:
        with open(log, errors="replace") as file:
            sys.exit("images: mmdebstrap failed:\n" + file.read()[-4000:])


def cached_layers(out, key):
    """The folder with Debian's layers, made if it is not there; what other inputs made is removed."""
    name = "debian-" + key[:16]
    folder = os.path.join(out, name)
    for other in os.listdir(out):
        if other.startswith("debian-") and other != name:
            shutil.rmtree(os.path.join(out, other), ignore_errors=True)
    if not os.path.isdir(folder):
        unfinished = tempfile.mkdtemp(prefix="debian-new-", dir=out)
        make_layers(unfinished)
        os.rename(unfinished, folder)
    return folder


def runtime_layer(runtimes, folders):
    """A layer with the given runtimes, owned by root."""
    def owned(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = 0
        entry.mode |= 0o444 | (0o111 if entry.isdir() or entry.mode & 0o100 else 0)
        return entry
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for name in ("berth", RUNTIMES.strip("/")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(entry)
        for folder in folders:
            layer.add(os.path.join(runtimes, folder), f"{RUNTIMES.strip('/')}/{folder}", filter=owned)
    return data.getvalue()


class Archive:
    """What `docker save` writes: a tar of layers, a description of each image, and a list of them."""

    def __init__(self, path):
        self.tar = tarfile.open(path, "w")
        self.layers = {}
        self.manifest = []

    def add(self, name, data):
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        entry.mode = 0o644
        self.tar.addfile(entry, io.BytesIO(data))

    def layer(self, data):
        """Its digest; one that is there already is not written again."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self.layers:
            self.layers[digest] = f"{digest}/layer.tar"
            self.add(self.layers[digest], data)
        return digest

    def image(self, repository, digests, config):
        description = json.dumps({
            "architecture": architecture(), "os": "linux", "config": config,
            "created": "1970-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]},
            "history": [{"created_by": "packaging/images"} for _ in digests],
        }, sort_keys=True).encode()
        name = hashlib.sha256(description).hexdigest() + ".json"
        self.add(name, description)
        self.manifest.append({"Config": name, "RepoTags": [repository + ":latest"],
                              "Layers": [self.layers[digest] for digest in digests]})

    def close(self):
        self.add("manifest.json", json.dumps(self.manifest).encode())
        self.tar.close()


def write_archive(path, layers, runtimes):
    archive = Archive(path)
    content = {}
    for name, _ in LAYERS:
        with open(os.path.join(layers, name + ".tar"), "rb") as file:
            content[name] = file.read()
    for repository, (names, folders, command) in IMAGES.items():
        digests = [archive.layer(content[name]) for name in names]
        config = {"Cmd": command, "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                          "LANG=C.UTF-8"]}
        if folders:
            digests.append(archive.layer(runtime_layer(runtimes, folders)))
            config.update(User=USER, WorkingDir="/tmp", ExposedPorts={"8080/tcp": {}})
            config["Env"].append("HOME=/tmp")
        archive.image(repository, digests, config)
    archive.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runtimes", required=True, help="the built runtimes, e.g. build/runtimes")
    parser.add_argument("--out", required=True, help="where the archive and Debian's layers go")
    parser.add_argument("--load", action="store_true", help="into the engine that `docker` talks to")
    options = parser.parse_args()
    for folder in ("python", "nodejs", "native"):
        if not os.path.isdir(os.path.join(options.runtimes, folder)):
            sys.exit(f"images: {options.runtimes}/{folder} is not built (./dev images builds it)")
    os.makedirs(options.out, exist_ok=True)
    out = os.path.abspath(options.out)
    archive = os.path.join(out, "berth-images.tar")
    with open(os.path.join(out, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        key = hashlib.sha256((architecture() + recipe() + candidates()).encode()).hexdigest()
        whole = hashlib.sha256((key + digest_of(options.runtimes)).encode()).hexdigest()
        stamp = os.path.join(out, "berth-images.key")
        made_of = None
        if os.path.exists(archive) and os.path.exists(stamp):
            with open(stamp) as file:
                made_of = file.read()
        if made_of != whole:
            write_archive(archive + ".new", cached_layers(out, key), options.runtimes)
            os.replace(archive + ".new", archive)
            with open(stamp, "w") as file:
                file.write(whole)
            say(f"wrote {archive}")
    if options.load:
        if not shutil.which("docker"):
            sys.exit("images: no docker here; load it with your engine's own command, from " + archive)
        subprocess.run(["docker", "load", "--input", archive], check=True)


if __name__ == "__main__":
    main()
