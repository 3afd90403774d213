#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays Alexa, with a certificate authority of its own, to examples/alexa-skill.

    alexa_test.py --bin-dir build/bin --work build/examples/alexa-skill [-- unittest's arguments]
"""

import argparse
import base64
import datetime
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../.."))
sys.path.insert(0, os.path.join(HERE, "../rest"))

from berthd_process import Berthd  # noqa: E402
from certificates import CA, Certificate  # noqa: E402
from support import skip  # noqa: E402

options = None
AMAZON = "https://s3.amazonaws.com/echo.api/"
SIGNER = "subjectAltName=DNS:echo-api.amazon.com\nbasicConstraints=critical,CA:FALSE\n"
SKILL_ID = "amzn1.ask.skill.test"


class ChainServer:
    """Stands for s3.amazonaws.com: chains by their paths, and what was asked for."""

    def __init__(self):
        self.chains = {}
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                body = outer.chains.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def envelope(request, sent=None, skill_id=SKILL_ID):
    """What Alexa sends, as bytes; `sent`: seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=sent or 0)
    application = {"applicationId": skill_id}
    user = {"userId": "amzn1.ask.account.test"}
    body = {
        "version": "1.0",
        "session": {"new": True, "sessionId": "amzn1.echo-api.session.test", "application": application,
                    "attributes": {}, "user": user},
        "context": {"System": {"application": application, "user": user,
                               "device": {"deviceId": "test", "supportedInterfaces": {}},
                               "apiEndpoint": "https://api.eu.amazonalexa.com", "apiAccessToken": "none"}},
        "request": {"requestId": "amzn1.echo-api.request.test", "locale": "en-GB",
                    "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"), **request},
    }
    return json.dumps(body, indent=1).encode()


LAUNCH = {"type": "LaunchRequest", "shouldLinkResultBeReturned": False}


def intent(intent_name, **slots):
    return {"type": "IntentRequest", "dialogState": "COMPLETED", "intent": {
        "name": intent_name, "confirmationStatus": "NONE",
        "slots": {slot: {"name": slot, "value": value, "confirmationStatus": "NONE"}
                  for slot, value in slots.items()}}}


class Alexa(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.berthd = None
        for program in ("npm", "node", "openssl"):
            if not shutil.which(program):
                skip(program + " is not installed")
        cls.folder = tempfile.mkdtemp(prefix="bth-alexa-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.zip = os.path.join(cls.folder, "alexa-skill.zip")
        built = subprocess.run(
            [sys.executable, os.path.join(ROOT, "examples/alexa-skill/build.py"), "--out", cls.zip, "--work",
             options.work], capture_output=True, text=True, timeout=600)
        if built.returncode != 0:
            skip("npm could not install the skill's modules: " + built.stderr[-1000:])
        cls.server = ChainServer()
        cls.addClassCleanup(cls.server.stop)
        cls.make_certificates()
        # The function fetches the chain, so it needs a way out of its sandbox.
        cls.berthd = Berthd(options.bin_dir, "process", ["plugin.process.network=host"])
        cls.addClassCleanup(cls.stop_berthd)
        cls.create("alexa-skill", trust_root=cls.root.pem, chain_server=cls.server.url, skill_id=SKILL_ID)

    @classmethod
    def make_certificates(cls):
        make = lambda name, *arguments, **more: Certificate(cls.folder, name, *arguments, **more)  # noqa: E731
        cls.root = make("root", None, CA)
        cls.between = make("between", cls.root, CA)
        cls.signer = make("signer", cls.between, SIGNER)
        cls.serve("good.pem", cls.signer, cls.between, cls.root)

    @classmethod
    def stop_berthd(cls):
        log = cls.berthd.log()
        if cls.berthd.stop() != 0:
            raise AssertionError("berthd ended badly:\n" + log)

    @classmethod
    def serve(cls, name, *chain):
        cls.server.chains["/echo.api/" + name] = "".join(certificate.pem for certificate in chain)

    @classmethod
    def create(cls, name, **parameters):
        file = os.path.join(cls.folder, name + ".json")
        with open(file, "w") as out:
            json.dump(parameters, out)
        done = cls.berthd.cli("action", "create", name, cls.zip, "--kind", "nodejs:default", "--web", "raw", "-P", file)
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def post(self, body, signer=None, url=AMAZON + "good.pem", name="alexa-skill", query="", **headers):
        """As Alexa does it; a header that is None is left out."""
        signature = base64.b64encode((signer or self.signer).sign(body)).decode()
        sent = {"Content-Type": "application/json;charset=utf-8", "Accept": "application/json",
                "SignatureCertChainUrl": url, "Signature-256": signature}
        sent.update({key.replace("_", "-"): value for key, value in headers.items()})
        return self.berthd.request(
            "POST", f"/api/v1/web/guest/default/{name}{query}", body,
            {key: value for key, value in sent.items() if value is not None}, key=None)

    def assert_refused(self, reply, text, status=400):
        self.assertEqual(reply.status, status, reply)
        self.assertIn(text, reply.json["error"])

    def assert_says(self, reply, text):
        self.assertEqual(reply.status, 200, reply)
        self.assertTrue(reply.headers["content-type"].startswith("application/json"), reply.headers)
        self.assertIn(text, reply.json["response"]["outputSpeech"]["ssml"])

    # What Alexa asks.

    def test_launch(self):
        reply = self.post(envelope(LAUNCH))
        self.assert_says(reply, "Welcome")
        self.assertFalse(reply.json["response"]["shouldEndSession"])
        self.assertIn("/echo.api/good.pem", self.server.asked)

    def test_intents(self):
        reply = self.post(envelope(intent("GreetIntent", name="Ann & Zoë")))
        self.assert_says(reply, "Hello, Ann &amp; Zoë")
        self.assertTrue(reply.json["response"]["shouldEndSession"])
        self.assert_says(self.post(envelope(intent("AMAZON.HelpIntent"))), "Say: greet")
        self.assert_says(self.post(envelope(intent("AMAZON.StopIntent"))), "Fair winds")
        self.assert_says(self.post(envelope(intent("NoSuchIntent"))), "I did not understand")

    def test_every_intent_of_the_model_has_a_handler(self):
        with open(os.path.join(ROOT, "examples/alexa-skill/interaction-model.json")) as file:
            model = json.load(file)["interactionModel"]["languageModel"]
        for each in model["intents"]:
            reply = self.post(envelope(intent(each["name"])))
            self.assertEqual(reply.status, 200, reply)
            self.assertNotIn("did not understand", reply.body, each["name"])

    def test_end_of_a_session(self):
        reply = self.post(envelope({"type": "SessionEndedRequest", "reason": "USER_INITIATED"}))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json["response"], {})

    # What only says that it is Alexa.

    def test_another_signature(self):
        other = Certificate(self.folder, "other", self.between, SIGNER)
        self.assert_refused(self.post(envelope(LAUNCH), signer=other), "the signature is not that of the body")
        self.assert_refused(self.post(envelope(LAUNCH), Signature_256="bm8="), "the signature is not that")
        self.assert_refused(self.post(envelope(LAUNCH), Signature_256=None), "Signature-256 is missing")
        # The old one, over SHA-1, is not enough.
        self.assert_refused(self.post(envelope(LAUNCH), Signature_256=None, Signature="bm8="), "Signature-256 is missing")

    def test_an_altered_body(self):
        body = envelope(LAUNCH)
        signature = base64.b64encode(self.signer.sign(body)).decode()
        self.assert_says(self.post(body, Signature_256=signature), "Welcome")
        # The same JSON, other bytes.
        self.assert_refused(self.post(body + b"\n", Signature_256=signature), "the signature is not that")
        altered = body.replace(b"en-GB", b"en-US")
        self.assertNotEqual(altered, body)
        self.assert_refused(self.post(altered, Signature_256=signature), "the signature is not that")

    def test_another_time(self):
        # 150 s are allowed; what is between is of a machine's speed.
        self.assert_refused(self.post(envelope(LAUNCH, sent=-600)), "not of now")
        self.assert_refused(self.post(envelope(LAUNCH, sent=3600)), "not of now")
        self.assert_refused(self.post(envelope({**LAUNCH, "timestamp": "soon"})), "not of now")
        self.assert_refused(self.post(b'{"request": 7}'), "not of now")
        self.assert_refused(self.post(b"[1"), "no JSON")

    def test_another_chain_url(self):
        asked = len(self.server.asked)
        for url in ("http://s3.amazonaws.com/echo.api/wrong.pem", "https://s3.amazonaws.com.evil.test/echo.api/wrong.pem",
                    "https://notamazon.com/echo.api/wrong.pem", "https://s3.amazonaws.com/EcHo.aPi/wrong.pem",
                    "https://s3.amazonaws.com/invalid.path/wrong.pem", "https://s3.amazonaws.com:563/echo.api/wrong.pem",
                    "https://s3.amazonaws.com/echo.api/../wrong.pem", "https://s3.amazonaws.com/echo.api/%2e%2e/wrong.pem",
                    "https://me@s3.amazonaws.com/echo.api/wrong.pem", "file:///echo.api/wrong.pem"):
            self.assert_refused(self.post(envelope(LAUNCH), url=url), "SignatureCertChainUrl is not at Amazon")
        for url in ("wrong.pem", None):
            self.assert_refused(self.post(envelope(LAUNCH), url=url), "SignatureCertChainUrl is missing")
        self.assertEqual([path for path in self.server.asked[asked:] if "wrong" in path], [])
        # These are the same place, says Amazon.
        for url in ("HTTPS://s3.amazonaws.com/echo.api/good.pem", "https://S3.AmazonAWS.com:443/echo.api/good.pem",
                    "https://s3.amazonaws.com/echo.api/../echo.api/good.pem"):
            self.assert_says(self.post(envelope(LAUNCH), url=url), "Welcome")

    def test_another_chain(self):
        stranger = Certificate(self.folder, "stranger", None, CA)
        strange = Certificate(self.folder, "strange", stranger, SIGNER)
        self.serve("strange.pem", strange, stranger)
        # A server's certificate must not do as an authority's.
        forged = Certificate(self.folder, "forged", self.signer, SIGNER)
        self.serve("forged.pem", forged, self.signer, self.between, self.root)
        self.serve("gap.pem", self.signer, self.root)
        for name, signer in (("strange", strange), ("forged", forged), ("gap", self.signer)):
            self.assert_refused(self.post(envelope(LAUNCH), signer=signer, url=f"{AMAZON}{name}.pem"),
                                "leads to no authority")
        named = Certificate(self.folder, "named", self.between, SIGNER.replace("echo-api", "*"))
        self.serve("named.pem", named, self.between)
        self.assert_refused(self.post(envelope(LAUNCH), signer=named, url=AMAZON + "named.pem"),
                            "not that of echo-api.amazon.com")
        self.server.chains["/echo.api/none.pem"] = "nothing here"
        self.assert_refused(self.post(envelope(LAUNCH), url=AMAZON + "none.pem"), "empty")

    def test_an_expired_certificate(self):
        expired = Certificate(self.folder, "expired", self.between, SIGNER, days=-1)
        self.serve("expired.pem", expired, self.between)
        self.assert_refused(self.post(envelope(LAUNCH), signer=expired, url=AMAZON + "expired.pem"), "expired")
        ended = Certificate(self.folder, "ended", self.root, CA, days=-1)
        below = Certificate(self.folder, "below", ended, SIGNER)
        self.serve("ended.pem", below, ended)
        self.assert_refused(self.post(envelope(LAUNCH), signer=below, url=AMAZON + "ended.pem"), "expired")

    def test_no_chain_to_be_had(self):
        self.assert_refused(self.post(envelope(LAUNCH), url=AMAZON + "gone.pem"), "could not be fetched", 503)

    def test_another_skill(self):
        self.assert_refused(self.post(envelope(LAUNCH, skill_id="amzn1.ask.skill.x")), "another skill", 403)

    def test_another_method_or_type(self):
        reply = self.berthd.request("GET", "/api/v1/web/guest/default/alexa-skill", key=None)
        self.assert_refused(reply, "POST", 405)
        self.assert_refused(self.post(envelope(LAUNCH), Content_Type="text/plain"), "no JSON")

    # The settings.

    def test_without_settings_only_amazon_will_do(self):
        # Our authority is no public one, and the request cannot make it one.
        url = AMAZON + "good.pem"
        chain = self.signer.pem + self.between.pem + self.root.pem
        self.create("strict", chains={url: chain})
        self.assert_refused(self.post(envelope(LAUNCH), name="strict"), "leads to no authority")
        reply = self.post(envelope({**LAUNCH, "trust_root": self.root.pem}), name="strict", query="?trust_root=x")
        self.assert_refused(reply, "leads to no authority")

    def test_a_chain_that_is_given_is_not_fetched(self):
        url = AMAZON + "given.pem"
        self.create("given", trust_root=self.root.pem, chain_server=self.server.url,
                    chains={url: self.signer.pem + self.between.pem})
        self.assert_says(self.post(envelope(LAUNCH), name="given", url=url), "Welcome")
        self.assertNotIn("/echo.api/given.pem", self.server.asked)


def main():
    global options
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin-dir", required=True, help="where berthd and berth are")
    parser.add_argument("--work", required=True, help="where the skill's modules are kept")
    parser.add_argument("unittest", nargs="*", help="arguments of unittest, e.g. -k pattern")
    options = parser.parse_args()
    unittest.main(argv=[sys.argv[0], "-v", *options.unittest])


if __name__ == "__main__":
    main()
