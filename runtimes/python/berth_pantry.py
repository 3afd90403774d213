# SPDX-License-Identifier: Apache-2.0
"""Modules imported ahead, out of sight until an action imports them.

A module that simply stayed in sys.modules would win against a file of the action's with the same
name, and would let `import urllib` reach `urllib.request`: the action would behave otherwise in a
fork than in a plain start. So what was imported ahead is taken out again, from sys.modules and from
its parent packages, and comes back through the import system, each module together with just those
that its own import brought along. Where the action's own path holds any of the names, nothing is
used of it and everything is imported as ever. Each module comes once: who removes it from
sys.modules or reloads it gets what its file holds.
"""

import os
import sys
from _frozen_importlib import ModuleSpec


class Pantry:
    """A finder and loader for the front of sys.meta_path."""

    def __init__(self):
        self._before = set(sys.modules)
        self._path = set(sys.path)
        self._edges = {}  # module to those that it imported
        self._modules = {}
        self._given = set()
        self._tops = frozenset()
        self._looked = {}  # directory to (mtime, whether it shadows one of ours)

    # --- filling, in the zygote

    def stock(self, names):
        """Imports these; returns what went wrong, for people."""
        import builtins

        import_ = builtins.__import__

        def recording(name, globals=None, locals=None, fromlist=(), level=0):
            result = import_(name, globals, locals, fromlist, level)
            self._note(name, globals or {}, fromlist or (), level)
            return result

        problems = []
        builtins.__import__ = recording
        try:
            for name in names:
                try:
                    recording(name)
                except BaseException as error:  # whatever one does, the others still help
                    problems.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            builtins.__import__ = import_
        return "; ".join(problems)

    def _note(self, name, importer, fromlist, level):
        if level:
            package = importer.get("__package__") or ""
            base = package.rsplit(".", level - 1)[0]
            name = f"{base}.{name}" if name else base
        found = self._edges.setdefault(importer.get("__name__", ""), set())
        found.add(name)
        if "*" in fromlist:
            fromlist = getattr(sys.modules.get(name), "__all__", ())
        for part in fromlist:
            if f"{name}.{part}" in sys.modules:
                found.add(f"{name}.{part}")

    def close(self):
        """Takes everything new out of sight. A module that replaced itself stays as it is."""
        for name in set(sys.modules) - self._before:
            module = sys.modules[name]
            if type(module) is not type(sys) or getattr(module, "__spec__", None) is None:
                continue
            self._modules[name] = (module, module.__spec__)
        for name, (module, _) in self._modules.items():
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            if parent and getattr(sys.modules.get(parent) or self._warm(parent), child, 0) is module:
                delattr(sys.modules.get(parent) or self._warm(parent), child)
        self._tops = frozenset(name.partition(".")[0] for name in self._modules)
        sys.meta_path.insert(0, self)

    def _warm(self, name):
        return self._modules[name][0] if name in self._modules else None

    def get(self, name):
        """The warm module of this name, or None."""
        return self._warm(name)

    # --- using, in a fork

    def find_spec(self, name, path=None, target=None):
        if name not in self._modules or name in self._given:
            return None
        parent = name.rpartition(".")[0]
        if self._is_shadowed() or (parent and sys.modules.get(parent) is not self._warm(parent)):
            self._drop()
            return None
        module, kept = self._modules[name]
        spec = ModuleSpec(name, self, origin=kept.origin, loader_state=kept.loader_state)
        spec.submodule_search_locations = kept.submodule_search_locations
        spec.cached = kept.cached
        return spec

    def create_module(self, spec):
        return self._warm(spec.name)

    def exec_module(self, module):
        # Its import has been, so only what it brought along is left to do.
        waiting = [module.__spec__.name]
        self._given.update(waiting)
        while waiting:
            name = waiting.pop()
            if name in self._modules:
                found, found.__spec__ = self._modules[name]
                sys.modules.setdefault(name, found)
            parent, _, child = name.rpartition(".")
            if parent and name in self._modules:
                setattr(sys.modules.get(parent) or self._warm(parent), child, found)
            for more in {parent, *self._edges.get(name, ())} - self._given - {""}:
                self._given.add(more)
                waiting.append(more)

    def _is_shadowed(self):
        for entry in sys.path:
            if entry in self._path:
                continue
            try:
                # Lists a directory again only when it has changed.
                entry = entry or "."
                changed = os.stat(entry).st_mtime_ns
                looked = self._looked.get(entry)
                if looked is None or looked[0] != changed:
                    names = {name.partition(".")[0] for name in os.listdir(entry)}
                    looked = self._looked[entry] = (changed, not names.isdisjoint(self._tops))
            except NotADirectoryError:
                return True  # an archive: who knows what is in it
            except OSError:
                continue
            if looked[1]:
                return True
        return False

    def _drop(self):
        sys.meta_path.remove(self)
        self._modules = {}
