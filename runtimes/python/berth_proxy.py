# SPDX-License-Identifier: Apache-2.0
"""The Python action proxy: /init loads the user's code, /run calls it.

It answers as Apache's ActionLoop Python runtime does. That one keeps the user's code in a child
process;
here it runs in the proxy itself, on its main thread, which saves a second interpreter at each cold
start:
- an exception in the action is a result with `error`;
- sys.exit (and whatever else would have ended the child) is answered with 400 "command exited",
after
  which there is no action any more;
- what ends a process without unwinding (os._exit, a crash, running out of memory) ends the proxy:
the
  connection closes without a reply, and the container's owner sees the exit.
Requests are served one at a time; a second /run waits for the first.
"""

import os
import sys

import berth_http
from berth_json import decode, encode

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
MODULE = "main__"
NO_BINARY = "The action failed to generate or locate a binary. See logs for details."
NO_START = "Cannot start action. Check logs for details."
NO_COLLECTION = "The action did not return a dictionary or array."


class InitError(Exception):
    """/init failed: `reply` goes to the caller, the text to the action's log."""

    def __init__(self, reply, log):
        super().__init__(log)
        self.reply = reply


def error_reply(status, message):
    text = encode(message)
    return status, b'{"error":%b}\n' % text


def print_traceback(error, frames_to_hide):
    """Prints the exception as the interpreter would, without the proxy's own frames."""
    import traceback

    trace = error.__traceback__
    while frames_to_hide and trace is not None:
        trace = trace.tb_next
        frames_to_hide -= 1
    print("".join(traceback.format_exception(type(error), error, trace)), file=sys.stderr)


def print_exit(error, frames_to_hide):
    """Prints what the interpreter prints when this exception ends it."""
    if not isinstance(error, SystemExit):
        print_traceback(error, frames_to_hide)
    elif error.code is not None and not isinstance(error.code, int):
        print(error.code, file=sys.stderr)


def go_log(message):
    import time

    print(time.strftime("%Y/%m/%d %H:%M:%S"), message, file=sys.stderr, flush=True)


_own = {}


def keep_own(name):
    """Imports a module next to this one ahead, where the action does not see it."""
    _own[name] = import_own(name)
    for more in (name, "berth_pantry", "berth_rehearsal"):
        sys.modules.pop(more, None)
    return _own[name]


def import_own(name):
    """Imports a module next to this one; the action does not see our directory on sys.path."""
    if name in _own:
        return _own[name]
    sys.path.insert(0, os.path.dirname(__file__))
    try:
        return __import__(name)
    finally:
        del sys.path[0]


class SiteOnDemand:
    """Runs what `site` would have run at the start, once an import would fail without it.

    The packages' directories are on sys.path from the beginning; few packages need more than that.
    """

    def __init__(self, directories):
        self._directories = directories

    def find_spec(self, name, path=None, target=None):
        # The standard library tries modules of other systems; those are never in a
        # package directory.
        if path is not None or name in sys.stdlib_module_names or name == "org":
            return None
        sys.meta_path.remove(self)
        import site

        for directory in self._directories:
            site.addsitedir(directory)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def add_package_directories():
    import builtins

    builtins.exit = builtins.quit = sys.exit
    version = "python%d.%d" % sys.version_info[:2]
    places = (
        f"local/lib/{version}/dist-packages",
        "lib/python3/dist-packages",
        f"lib/{version}/dist-packages",
        f"lib/{version}/site-packages",
    )
    present = [
        path for path in (f"{sys.prefix}/{place}" for place in places) if os.path.isdir(path)
    ]
    sys.path += [path for path in present if path not in sys.path]
    sys.meta_path.append(SiteOnDemand(present))


def set_environment(values):
    """Adds pairs to os.environ, values other than strings as JSON, but what none can hold."""
    for name, value in values:
        if not isinstance(value, str):
            value = encode(value, compact=True).decode()
        try:
            os.environ[name] = value
        except (ValueError, OSError):
            continue


def make_action_directory():
    """A fresh private directory. Raises OSError of the last place tried."""
    last_error = None
    for base in (os.environ.get("TMPDIR") or "/tmp", os.getcwd()):
        path = f"{base}/berth-action-{os.urandom(8).hex()}"
        try:
            os.mkdir(path, 0o700)
            return path
        except OSError as error:
            last_error = error
    raise last_error


def decode_base64(code):
    import binascii

    packed = code.replace("\n", "").replace("\r", "")
    try:
        return binascii.a2b_base64(packed.encode(), strict_mode=True)
    except (binascii.Error, ValueError):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((i for i, char in enumerate(packed) if char not in alphabet), len(packed))
        raise ValueError(
            f"cannot decode the request: illegal base64 data at input byte {at}"
        ) from None


class Proxy:
    """The one action of this process: absent, initialised, or gone after it exited."""

    def __init__(self, streams=None):
        """The sentinels go to the two descriptors, the container's streams by default."""
        self._main = None
        self._initialized = False
        self._pid = os.getpid()
        # The action may redirect its own descriptors; the sentinels still go there.
        self._streams = streams or (os.dup(1), os.dup(2))

    def handle(self, request):
        """Answers one request: (status, body)."""
        if request.path == "/run":
            return self._run(request.body)
        if request.path == "/init":
            return self._init(request.body)
        return 200, b""

    def _end_of_activation(self):
        self._flush()
        for fd in self._streams:
            try:
                berth_http.send_all(fd, SENTINEL)
            except OSError:
                pass  # nobody reads the log; the result still counts

    @staticmethod
    def _flush():
        for stream in (sys.stdout, sys.stderr, sys.__stdout__):
            try:
                stream.flush()
            except Exception:  # the action put something else there, or closed it
                pass

    def _leave_if_forked(self, code):
        """A child that the action forked must never come back into the serving loop."""
        if os.getpid() != self._pid:
            self._flush()
            os._exit(code if isinstance(code, int) else 1)

    # --- /init

    def _init(self, body):
        if self._initialized:
            message = "Cannot initialize the action more than once."
            go_log(message)
            return error_reply(403, message)
        try:
            request = decode(body)
            value = request.get("value") if isinstance(request, dict) else None
            if not isinstance(value, dict):
                value = {}
            code = self._field(value, "code", "")
            if not code:
                return error_reply(403, "Missing main/no code to execute.")
            main = self._field(value, "main", "") or "main"
            binary = self._field(value, "binary", False)
            environment = self._field(value, "env", {})
        except ValueError as error:
            return error_reply(400, f"Error unmarshaling request: {error}")
        try:
            source = decode_base64(code) if binary else code.encode("utf-8", "replace")
        except ValueError as error:
            return error_reply(400, str(error))
        self._apply_init_environment(environment)
        start_directory = os.getcwd()
        start_path = list(sys.path)
        try:
            self._main = self._load(source, main)
        except InitError as error:
            os.chdir(start_directory)
            sys.path[:] = start_path
            sys.modules.pop(MODULE, None)
            if str(error):
                print(error, file=sys.stderr)
            self._end_of_activation()
            return error_reply(502, error.reply)
        self._initialized = True
        return 200, b'{"ok":true}\n'

    @staticmethod
    def _field(value, name, default):
        found = value.get(name)
        if found is None:
            return default
        if not isinstance(found, type(default)):
            kind = {str: "string", bool: "bool", dict: "map"}[type(default)]
            raise ValueError(
                f"json: cannot unmarshal field value.{name}, which is not of type {kind}"
            )
        return found

    @staticmethod
    def _apply_init_environment(environment):
        set_environment(environment.items())
        # A child would have read these at its start.
        if "TZ" in environment:
            import time

            time.tzset()
        if "PYTHONPATH" in environment:
            sys.path[:0] = [path for path in os.environ["PYTHONPATH"].split(":") if path]

    def _load(self, source, main):
        """Unpacks and imports the code; returns the function `main` of it. Raises InitError."""
        try:
            directory = make_action_directory()
            self._unpack(source, directory)
            os.chdir(directory)
            sys.path.insert(0, directory)
            path = f"{directory}/{MODULE}.py"
            sys.argv = [path]
            self._activate_virtualenv(directory)
            with open(path, "rb") as file:
                code = compile(file.read(), path, "exec")
        except FileNotFoundError:
            raise InitError(NO_BINARY, f"Zip file does not include {MODULE}") from None
        except SyntaxError as error:
            raise InitError(NO_BINARY, error.msg) from None
        except (OSError, ValueError, RecursionError) as error:
            raise InitError(NO_BINARY, str(error)) from None
        module = type(sys)(MODULE)
        module.__file__ = path
        sys.modules[MODULE] = module
        try:
            exec(code, module.__dict__)
        except BaseException as error:
            print_exit(error, 1)
            self._leave_if_forked(getattr(error, "code", 1) or 0)
            raise InitError(NO_START, "Command exited abruptly during initialization.") from None
        function = getattr(module, main, None)
        if function is None:
            print(
                f"ImportError: cannot import name {main!r} from {MODULE!r} ({path})",
                file=sys.stderr,
            )
            raise InitError(NO_START, "Command exited abruptly during initialization.")
        return function

    @staticmethod
    def _unpack(source, directory):
        if not source.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with open(f"{directory}/{MODULE}.py", "wb") as file:
                file.write(source)
            return
        berth_archive = import_own("berth_archive")
        try:
            berth_archive.extract(source, directory)
        except berth_archive.ArchiveError as error:
            raise InitError(NO_BINARY, str(error)) from None
        for name in ("exec", "__main__.py"):
            if os.path.isfile(f"{directory}/{name}"):
                os.rename(f"{directory}/{name}", f"{directory}/{MODULE}.py")

    @staticmethod
    def _activate_virtualenv(directory):
        if not os.path.isdir(f"{directory}/virtualenv"):
            return
        for place in ("bin", "Scripts"):
            script = f"{directory}/virtualenv/{place}/activate_this.py"
            if os.path.isfile(script):
                break
        else:
            raise InitError(
                NO_BINARY, "Invalid virtualenv. Zip file does not include 'activate_this.py'."
            )
        try:
            with open(script, "rb") as file:
                exec(
                    compile(file.read(), script, "exec"),
                    {"__file__": script, "__name__": "activate_this"},
                )
        except BaseException as error:
            print_exit(error, 1)
            raise InitError(NO_START, "Command exited abruptly during initialization.") from None

    # --- /run

    def _run(self, body):
        if self._main is None:
            return error_reply(500, "no action defined yet")
        try:
            request = decode(body)
            if not isinstance(request, dict):
                raise ValueError("json: the request is not an object")
        except ValueError as error:
            return error_reply(400, f"Error unmarshaling request: {error}")
        value = request.pop("value", {})
        set_environment(
            ("__OW_" + name.upper(), text)
            for name, text in request.items()
            if isinstance(text, str)
        )
        try:
            reply = self._call(value)
        except BaseException as error:
            self._leave_if_forked(getattr(error, "code", 1) or 0)
            reply = self._exit(error)
        self._end_of_activation()
        return reply

    def _call(self, value):
        """The reply to one activation.

        Raises what would have ended a process of the action's own.
        """
        try:
            result = self._main(value)
        except Exception as error:
            self._leave_if_forked(1)
            print_traceback(error, 1)
            result = {"error": str(error)}
        self._leave_if_forked(0)
        try:
            text = encode(result)
        except ValueError as error:
            if "Circular" in str(error):
                raise
            text = b""  # NaN and the infinities are no JSON
        if text[:1] not in (b"{", b"[") and text != b"null":
            return error_reply(502, NO_COLLECTION)
        return 200, text + b"\n"

    def _exit(self, error):
        self._main = None
        print_exit(error, 2)
        if "atexit" in sys.modules:
            sys.modules["atexit"]._run_exitfuncs()
        return error_reply(400, "command exited")


def prepare():
    """What does not depend on the container: the streams and where packages are."""
    for stream in (sys.stdout, sys.stderr):
        if stream.encoding != "utf-8":
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    add_package_directories()


def serve():
    """Serves until the process is killed."""
    listener = berth_http.open_listener(os.environ)
    berth_http.serve_forever(listener, Proxy().handle)
