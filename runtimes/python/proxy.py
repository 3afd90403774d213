# SPDX-License-Identifier: Apache-2.0
"""Entry of the Python runtime: `proxy.py` serves, `proxy.py --zygote MODULE...` is forked first.

Only a doorstep: a script is compiled anew at every start, a module is loaded from the byte code
that
the build made, so everything else lives in modules next to this file.
"""

if __name__ == "__main__":
    import sys

    sys.path.insert(0, __file__.rpartition("/")[0] or ".")
    import berth_proxy

    berth_proxy.prepare()
    if sys.argv[1:2] == ["--zygote"]:
        berth_zygote = berth_proxy.keep_own("berth_zygote")
        del sys.path[0]
        berth_zygote.wait_to_be_born(sys.argv[2:])
        del sys.argv[1:]
    else:
        del sys.path[0]
    berth_proxy.serve()
