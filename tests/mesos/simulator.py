#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Mesos cluster in one process: masters of which one leads, agents, and a door for its tests.

    simulator.py --proto DIRECTORY [--agents N] [--masters N] [--run none|processes --bin-dir DIR] ...

Prints one line of JSON when it listens: {"masters": ["http://..."], "control": "http://..."}. POST to the control
URL does something to the cluster ({"do": "leader_change"}, see Control) and answers with what it is like. It ends
when its standard input does, and with it all that it started.
"""

import argparse
import asyncio
import json
import os
import shutil
import ssl
import sys
import tempfile
import time
import urllib.parse


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--proto", required=True, help="where berth_mesos_v1_pb2.py is")
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument("--masters", type=int, default=1)
    parser.add_argument("--cpus", type=float, default=8)
    parser.add_argument("--mem", type=float, default=8192)
    parser.add_argument("--disk", type=float, default=20000)
    parser.add_argument("--first-port", type=int, default=31000)
    parser.add_argument("--ports", type=int, default=100, help="of each agent")
    parser.add_argument("--share-ports", action="store_true", help="the agents are one machine: each has its own ports")
    parser.add_argument("--reserved", action="append", default=[], help="ROLE:CPUS:MEM on each agent")
    parser.add_argument("--address", default="", help="of the agents; default: a loopback address of its own")
    parser.add_argument("--heartbeat", type=float, default=15)
    parser.add_argument("--allocation-delay", type=float, default=0.01)
    parser.add_argument("--start-delay", type=float, default=0)
    parser.add_argument("--run-delay", type=float, default=0)
    parser.add_argument("--reregister", type=float, default=0.1, help="after a change of leaders")
    parser.add_argument("--inspection", type=int, default=11000, help="bytes of data in a TASK_RUNNING")
    parser.add_argument("--credential", default="", help="principal:secret")
    parser.add_argument("--tls", default="", help="CERTIFICATE:KEY of the masters and the agents")
    parser.add_argument("--run", choices=["none", "listeners", "processes"], default="none")
    parser.add_argument("--bin-dir", default="")
    return parser.parse_args()


class Simulator:
    def __init__(self, options):
        from sim_cluster import Cluster
        from sim_containers import Listeners, Nothing, Processes
        from sim_master import Master
        options.work = tempfile.mkdtemp(prefix="mesos-sim-")
        self.options = options
        self.containers = Processes(options.bin_dir) if options.run == "processes" else \
            Listeners() if options.run == "listeners" else Nothing()
        self.cluster = Cluster(options, self.containers)
        self.master = Master(self.cluster, options)
        self.ports = []
        self.leader = 0  # index of the port that leads; None: nobody does

    # ---- servers

    async def serve_master(self, index, reader, writer):
        from sim_http import read_request, response
        while True:
            request = await read_request(reader)
            if request is None:
                break
            if self.leader is None:
                writer.write(response(503, "No leader elected"))
            elif index != self.leader:
                path = request.path if request.path.startswith("/master") else "/master" + request.path
                writer.write(response(307, headers=[f"Location: //127.0.0.1:{self.ports[self.leader]}{path}"]))
            else:
                answer = await self.master.handle(request, writer)
                if answer is not None:
                    writer.write(answer)
        self.master.disconnected(writer)
        writer.close()

    async def serve_files(self, reader, writer):
        from sim_http import read_request, response
        while (request := await read_request(reader)) is not None:
            query = dict(urllib.parse.parse_qsl(request.query))
            code, text = self.read_file(query) if request.path.endswith("/files/read") else (404, "")
            kind = ["Content-Type: application/json"] if code == 200 else []
            writer.write(response(code, text, kind))
        writer.close()

    def read_file(self, query):
        """/files/read: of the virtual path of an executor's latest run, or of a container nested in that."""
        words = query.get("path", "").split("/")
        if len(words) not in (8, 10) or words[1] != "frameworks" or words[3] != "executors":
            return 404, ""
        task = self.cluster.task(words[4]) or self.cluster.ended.get(words[4])
        if task is None or task.framework_id != words[2]:
            return 404, ""
        if words[5:-1] != ["runs", "latest"] + (["containers", task.container_id] if task.parent else []):
            return 404, ""
        try:
            with open(os.path.join(task.sandbox, words[-1]), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                offset = int(query.get("offset", "-1"))
                length = int(query["length"]) if "length" in query else -1
                if offset == -1:
                    return 200, json.dumps({"data": "", "offset": size})
                file.seek(min(offset, size))
                data = file.read(min(length if length >= 0 else size, 65536))
                text = json.dumps({"data": data.decode("utf-8", "surrogateescape"), "offset": offset}, ensure_ascii=False)
                return 200, text.encode("utf-8", "surrogateescape")
        except OSError:
            return 404, ""

    async def serve_control(self, reader, writer):
        from sim_http import read_request, response
        while (request := await read_request(reader)) is not None:
            command = json.loads(request.body or b"{}")
            what = command.pop("do", "state")
            result = getattr(self, "do_" + what)(**command)
            if asyncio.iscoroutine(result):
                result = await result
            writer.write(response(200, json.dumps(result), ["Content-Type: application/json"]))
        writer.close()

    # ---- what tests do

    def do_state(self):
        import berth_mesos_v1_pb2 as pb
        return {
            "leader": self.leader,
            "frameworks": {f.id: {"connected": f.stream is not None, "suppressed": sorted(f.suppressed),
                                  "info": {"name": f.info.name, "roles": list(f.info.roles),
                                           "failover_timeout": f.info.failover_timeout}}
                           for f in self.master.frameworks.values()},
            "tasks": {t.id: {"state": pb.TaskState.Name(t.state), "agent": t.agent.id, "framework": t.framework_id,
                             "ports": t.ports, "unacknowledged": len(t.updates), "group": t.parent is not None,
                             "labels": {label.key: label.value for label in t.info.labels.labels}}
                      for t in self.cluster.tasks.values()},
            "offers": len(self.master.offers), "launched": self.master.launched, "calls": self.master.calls,
            "agents": [a.id for a in self.cluster.by_order], "inverse": self.master.inverse,
        }

    async def do_leader_change(self, pause=0.0):
        """The leader dies; after `pause` the next leads, and the agents come to it by and by."""
        self.leader, old = None, self.leader
        self.master.stop()
        for agent in self.cluster.by_order:
            agent.connected = False
        await asyncio.sleep(pause)
        self.leader = (old + 1) % len(self.ports)
        self.master.start()
        self.master.port = self.ports[self.leader]
        asyncio.get_running_loop().call_later(self.options.reregister, self.agents_return)
        return {"leader": self.leader}

    def agents_return(self):
        for agent in self.cluster.by_order:
            agent.connected = True
            for task in list(agent.tasks.values()):
                task.send()
        self.master.allocate_soon()

    def do_cut(self):
        """The subscriptions break."""
        for framework in self.master.frameworks.values():
            if framework.stream:
                framework.stream.cut()
        return {}

    def do_silence(self):
        """The subscriptions stay open and carry nothing any more."""
        for framework in self.master.frameworks.values():
            if framework.stream:
                framework.stream.silent = True
        return {}

    def do_deaf(self, on=True):
        """Executors do not obey a kill."""
        self.cluster.deaf = on
        return {}

    def do_faults(self, **faults):
        self.master.faults.update(faults)
        return self.master.faults

    def agent(self, number):
        return self.cluster.by_order[number % len(self.cluster.by_order)]

    def each_task(self, agent):
        return [t for t in list(agent.tasks.values()) if t.framework_id in self.master.frameworks]

    def failure(self, agent):
        import berth_mesos_v1_pb2 as pb
        event = pb.Event(type=pb.Event.FAILURE)
        event.failure.agent_id.value = agent.id
        for framework in self.master.frameworks.values():
            if framework.stream:
                framework.stream.send(event)

    def do_agent_lost(self, number=0):
        """An agent is out of the master's sight; what it runs goes on."""
        import berth_mesos_v1_pb2 as pb
        agent = self.agent(number)
        agent.connected = False
        for offer in [o for o in self.master.offers.values() if o.agent is agent]:
            self.master.rescind(offer)
        for task in self.each_task(agent):
            task.unreachable = True
            self.master.of_master(self.master.frameworks[task.framework_id], task.id, agent.id, pb.TASK_UNREACHABLE,
                                  pb.TaskStatus.REASON_AGENT_REMOVED, "health check timed out")
        self.failure(agent)
        return {"agent": agent.id}

    def do_agent_back(self, number=0):
        import berth_mesos_v1_pb2 as pb
        agent = self.agent(number)
        agent.connected = True
        for task in self.each_task(agent):
            task.unreachable = False
            self.master.of_master(self.master.frameworks[task.framework_id], task.id, agent.id, task.state,
                                  pb.TaskStatus.REASON_AGENT_REREGISTERED, "Unreachable agent re-reregistered", task)
            task.send()
        self.master.allocate_soon()
        return {"agent": agent.id}

    def do_agent_gone(self, number=0):
        """The operator marks an agent gone: all that it ran is over. It comes back as a new one."""
        import berth_mesos_v1_pb2 as pb
        agent = self.agent(number)
        for offer in [o for o in self.master.offers.values() if o.agent is agent]:
            self.master.rescind(offer)
        for task in self.each_task(agent):
            self.master.of_master(self.master.frameworks[task.framework_id], task.id, agent.id,
                                  pb.TASK_GONE_BY_OPERATOR, pb.TaskStatus.REASON_AGENT_REMOVED_BY_OPERATOR,
                                  "Agent has been marked gone")
            task.killed.set()
            self.containers.kill(task, 0)
            task.updates.clear()
        self.failure(agent)
        return {"agent": agent.id}

    def do_break_agent(self, number=0, broken=True):
        """Its engine starts nothing any more; what runs goes on."""
        self.agent(number).broken = broken
        return {"agent": self.agent(number).id}

    def do_rescind(self):
        offers = list(self.master.offers.values())
        for offer in offers:
            self.master.rescind(offer)
        return {"offers": len(offers)}

    def do_forget_offers(self):
        """The offers are not valid any more, and the framework has not heard of it."""
        for offer in list(self.master.offers.values()):
            self.master.take_back(offer)
        return {}

    def do_maintain(self, number=0, within=3600.0, duration=60.0):
        import berth_mesos_v1_pb2 as pb
        agent = self.agent(number)
        agent.unavailability = pb.Unavailability()
        agent.unavailability.start.nanoseconds = int((time.time() + within) * 1e9)
        agent.unavailability.duration.nanoseconds = int(duration * 1e9)
        for offer in [o for o in self.master.offers.values() if o.agent is agent]:
            self.master.rescind(offer)
        for framework in self.master.frameworks.values():
            if framework.stream:
                event = pb.Event(type=pb.Event.INVERSE_OFFERS)
                o = event.inverse_offers.inverse_offers.add()
                o.id.value = f"{self.master.id}-O{self.master.numbers[1]}"
                self.master.numbers[1] += 1
                o.framework_id.value, o.agent_id.value = framework.id, agent.id
                o.unavailability.CopyFrom(agent.unavailability)
                self.master.inverse[o.id.value] = "open"
                framework.stream.send(event)
        return {"agent": agent.id}

    def do_remove_frameworks(self):
        frameworks = list(self.master.frameworks.values())
        for framework in frameworks:
            self.master.remove(framework)
        return {"frameworks": len(frameworks)}

    def do_usurp(self):
        """Another scheduler takes the frameworks over."""
        import berth_mesos_v1_pb2 as pb
        event = pb.Event(type=pb.Event.ERROR)
        event.error.message = "Framework failed over"
        for framework in self.master.frameworks.values():
            if framework.stream:
                framework.stream.send(event)
                framework.stream.end()
        return {}

    def do_write_log(self, task, text, name="stdout", rotate=False):
        """A container writes; `rotate`: its logger begins a new file before."""
        from sim_containers import write_log
        t = self.cluster.task(task)
        path = os.path.join(t.sandbox, name)
        if rotate:
            os.rename(path, path + ".1")
        write_log(t, name, text.encode("latin-1"))
        return {}

    def do_end_task(self, task=None, code=1):
        """Whatever runs in a task ends by itself."""
        import berth_mesos_v1_pb2 as pb
        for t in self.cluster.tasks.values():
            if t.id == task or (task is None and t.state == pb.TASK_RUNNING):
                if not self.containers.end(t, code):
                    t.runner.cancel()
                    t.update(pb.TASK_FAILED, message=f"Container exited with status {code}")
                return {"task": t.id}
        return {"task": None}

    def do_missing_image(self, image):
        self.containers.images_missing.add(image)
        return {}

    # ---- life

    async def run(self):
        servers = []
        context, scheme = None, "http"
        if self.options.tls:
            context, scheme = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "https"
            context.load_cert_chain(*self.options.tls.split(":"))
        self.cluster.scheme = scheme
        for index in range(self.options.masters):
            server = await asyncio.start_server(
                lambda r, w, i=index: self.guard(self.serve_master(i, r, w)), "127.0.0.1", 0, limit=1 << 20,
                ssl=context)
            self.ports.append(server.sockets[0].getsockname()[1])
            servers.append(server)
        self.master.port = self.ports[0]
        files = await asyncio.start_server(lambda r, w: self.guard(self.serve_files(r, w)), self.cluster.address, 0,
                                           ssl=context)
        self.cluster.files_port = files.sockets[0].getsockname()[1]
        control = await asyncio.start_server(lambda r, w: self.guard(self.serve_control(r, w)), "127.0.0.1", 0)
        print(json.dumps({"masters": [f"{scheme}://127.0.0.1:{port}" for port in self.ports],
                          "control": f"http://127.0.0.1:{control.sockets[0].getsockname()[1]}/"}), flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        for task in list(self.cluster.tasks.values()):
            self.containers.kill(task, 0)
        await asyncio.sleep(0)

    @staticmethod
    async def guard(serving):
        try:
            await serving
        except (ConnectionError, asyncio.IncompleteReadError):
            pass


def main():
    options = parse_options()
    sys.path.insert(0, options.proto)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    simulator = Simulator(options)
    try:
        asyncio.run(simulator.run())
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


if __name__ == "__main__":
    main()
