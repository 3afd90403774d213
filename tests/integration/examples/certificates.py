# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of a test's own, by the openssl program."""

import os
import subprocess

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"


def openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *arguments], input=input, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class Certificate:
    """A key with its certificate, in files below `folder`; `issuer` None: signed by itself."""

    def __init__(self, folder, name, issuer=None, extensions="", days=30):
        self.key = os.path.join(folder, name + ".key")
        self.file = os.path.join(folder, name + ".pem")
        request = os.path.join(folder, name + ".csr")
        settings = os.path.join(folder, name + ".ext")
        with open(settings, "w") as file:
            file.write(extensions + "subjectKeyIdentifier=hash\n")
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", self.key,
                "-out", request)
        signer = ["-CA", issuer.file, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else ["-signkey", self.key]
        openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-sha256", "-extfile", settings,
                "-out", self.file)

    @property
    def pem(self):
        with open(self.file) as file:
            return file.read()

    def sign(self, data):
        return openssl("dgst", "-sha256", "-sign", self.key, input=data)
