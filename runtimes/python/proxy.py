# SPDX-License-Identifier: Apache-2.0
"""Entry of the Python runtime.

Only a doorstep: a script is compiled anew at every start, a module is loaded from the byte code
that
the build made, so everything else lives in modules next to this file.
"""

if __name__ == "__main__":
    import sys

    sys.path.insert(0, __file__.rpartition("/")[0] or ".")
    import berth_proxy

    del sys.path[0]
    berth_proxy.serve()
