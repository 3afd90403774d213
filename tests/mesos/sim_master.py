# SPDX-License-Identifier: Apache-2.0
"""The leading master: frameworks, offers, calls, events; what it refuses and in which words."""

import asyncio
import time
import uuid

import berth_mesos_v1_pb2 as pb
from sim_cluster import TERMINAL, Pool, pools_of
from sim_http import response
from sim_rules import invalid_framework, invalid_group, invalid_task

CALL, EVENT = pb.Call, pb.Event
NEEDS = {CALL.SUBSCRIBE: "subscribe", CALL.ACCEPT: "accept", CALL.DECLINE: "decline", CALL.KILL: "kill",
         CALL.ACKNOWLEDGE: "acknowledge", CALL.RECONCILE: "reconcile", CALL.SHUTDOWN: "shutdown",
         CALL.MESSAGE: "message",
         CALL.ACCEPT_INVERSE_OFFERS: "accept_inverse_offers"}
CAPABILITY = pb.FrameworkInfo.Capability


def bad(text):
    return response(400, text)


class Stream:
    """The answer to a SUBSCRIBE."""

    def __init__(self, writer):
        self.writer = writer
        self.id = str(uuid.uuid4())
        self.closed = False
        self.silent = False  # nothing arrives any more, and nobody says so

    def write(self, data):
        if not self.closed and not self.silent:
            self.writer.write(data)

    def send(self, event):
        record = event.SerializeToString()
        record = b"%d\n" % len(record) + record
        self.write(b"%x\r\n" % len(record) + record + b"\r\n")

    def end(self):
        """The final chunk; the connection stays open, as the master leaves it."""
        self.write(b"0\r\n\r\n")
        self.closed = True

    def cut(self):
        self.closed = True
        self.writer.transport.abort()


class Framework:
    def __init__(self, framework_id, info):
        self.id = framework_id
        self.info = info
        self.stream = None
        self.suppressed = set()
        self.filters = {}  # (agent, role) -> until
        self.failover = None

    def has(self, capability):
        return any(c.type == capability for c in self.info.capabilities)

    @property
    def roles(self):
        return list(self.info.roles) if self.has(CAPABILITY.MULTI_ROLE) else [self.info.role or "*"]


class Offer:
    def __init__(self, number, master, framework, agent, role, pools):
        self.id = f"{master.id}-O{number}"
        self.framework = framework
        self.agent = agent
        self.role = role
        self.pools = pools


class Master:
    def __init__(self, cluster, options):
        self.cluster = cluster
        self.options = options
        self.port = 0
        self.removed = set()  # ids of frameworks that are gone for good
        self.start()

    def start(self):
        """A freshly elected master: it knows nothing but what agents and frameworks tell it."""
        self.id = str(uuid.uuid4())
        self.frameworks = {}
        self.offers = {}
        self.inverse = {}
        self.numbers = [0, 0]
        self.faults = {"drop": 0.0, "duplicate": 0.0, "delay": 0.0}
        self.allocating = None
        self.launched = 0
        self.calls = {}
        self.cluster.deliver = self.deliver
        self.cluster.freed = self.allocate_soon

    def stop(self):
        for framework in self.frameworks.values():
            if framework.stream:
                framework.stream.cut()
            if framework.failover:
                framework.failover.cancel()
        for offer in self.offers.values():
            offer.agent.give_back(offer.pools)
        self.offers = {}
        self.frameworks = {}

    # ---- requests

    async def handle(self, request, writer):
        """The answer to one request, or None after a SUBSCRIBE, whose stream goes on."""
        if request.method != "POST":
            text = f"405 Method Not Allowed. Expecting one of {{ 'POST' }}, but received '{request.method}'."
            return response(405, text, ["Allow: POST"])
        if self.options.credential:
            import base64
            wanted = "Basic " + base64.b64encode(self.options.credential.encode()).decode()
            if request.headers.get("authorization") != wanted:
                return response(401, headers=['WWW-Authenticate: Basic realm="mesos-master-scheduler"'])
        content_type = request.headers.get("content-type")
        if content_type is None:
            return bad("Expecting 'Content-Type' to be present")
        if content_type != "application/x-protobuf":
            return response(415, "Expecting 'Content-Type' of application/json or application/x-protobuf")
        call = CALL()
        try:
            call.ParseFromString(request.body)
        except Exception:
            return bad("Failed to parse body into Call protobuf")
        if not call.HasField("type"):
            return bad("Failed to validate scheduler::Call: Expecting 'type' to be present")
        name = NEEDS.get(call.type)
        if call.type == CALL.SUBSCRIBE:
            if not call.HasField("subscribe"):
                return bad("Failed to validate scheduler::Call: Expecting 'subscribe' to be present")
            if call.framework_id.value != call.subscribe.framework_info.id.value:
                return bad("Failed to validate scheduler::Call: 'framework_id' differs from "
                           "'subscribe.framework_info.id'")
        else:
            if not call.HasField("framework_id"):
                return bad("Failed to validate scheduler::Call: Expecting 'framework_id' to be present")
            if name and not call.HasField(name):
                return bad(f"Failed to validate scheduler::Call: Expecting '{name}' to be present")
            if call.type == CALL.ACKNOWLEDGE and len(call.acknowledge.uuid) != 16:
                return bad("Failed to validate scheduler::Call: Not a valid UUID")
        accept = request.headers.get("accept", "*/*")
        if not any(a in accept for a in ("*/*", "application/x-protobuf", "application/json")):
            return response(406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")
        self.calls[CALL.Type.Name(call.type)] = self.calls.get(CALL.Type.Name(call.type), 0) + 1
        if call.type == CALL.SUBSCRIBE:
            if "mesos-stream-id" in request.headers:
                return bad("Subscribe calls should not include the 'Mesos-Stream-Id' header")
            self.subscribe(call, writer)
            return None
        framework = self.frameworks.get(call.framework_id.value)
        if framework is None:
            return bad("Framework cannot be found")
        if framework.stream is None:
            return response(403, "Framework is not subscribed")
        stream_id = request.headers.get("mesos-stream-id")
        if stream_id is None:
            return bad("All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        if stream_id != framework.stream.id:
            return bad(f"The stream ID '{stream_id}' included in this request didn't match the stream ID currently "
                       f"associated with framework ID {framework.id}")
        getattr(self, "on_" + CALL.Type.Name(call.type).lower())(framework, call)
        return response(202)

    # ---- subscription

    def subscribe(self, call, writer):
        stream = Stream(writer)
        stream.write(b"HTTP/1.1 200 OK\r\n" + response(202).split(b"\r\n")[1] +
                     b"\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: " + stream.id.encode() +
                     b"\r\nContent-Type: application/x-protobuf\r\n\r\n")
        info = call.subscribe.framework_info
        error = invalid_framework(info, call.subscribe.suppressed_roles)
        framework_id = info.id.value
        if not error and framework_id in self.removed:
            error = "Framework has been removed"
        if error:
            event = EVENT(type=EVENT.ERROR)
            event.error.message = error
            stream.send(event)
            stream.end()
            return
        if not framework_id:
            framework_id = f"{self.id}-{self.numbers[0]:04}"
            self.numbers[0] += 1
        framework = self.frameworks.get(framework_id)
        if framework is None:
            framework = self.frameworks[framework_id] = Framework(framework_id, info)
        framework.info = info
        framework.suppressed = set(call.subscribe.suppressed_roles)
        framework.filters = {}
        if framework.failover:
            framework.failover.cancel()
            framework.failover = None
        old, framework.stream = framework.stream, stream
        if old:
            event = EVENT(type=EVENT.ERROR)
            event.error.message = "Framework failed over"
            old.send(event)
            old.end()
            for offer in [o for o in self.offers.values() if o.framework is framework]:
                self.take_back(offer)
        event = EVENT(type=EVENT.SUBSCRIBED)
        event.subscribed.framework_id.value = framework_id
        event.subscribed.heartbeat_interval_seconds = self.options.heartbeat
        master = event.subscribed.master_info
        master.id, master.ip, master.port = self.id, 16777343, self.port
        master.hostname, master.version = "127.0.0.1", "1.12.0"
        stream.send(event)
        asyncio.get_running_loop().create_task(self.heartbeats(stream))
        for agent in self.cluster.by_order:
            for task in list(agent.tasks.values()):
                if task.framework_id == framework_id:
                    task.send()
        self.allocate_soon()

    async def heartbeats(self, stream):
        while not stream.closed:
            stream.send(EVENT(type=EVENT.HEARTBEAT))
            await asyncio.sleep(self.options.heartbeat)

    def disconnected(self, writer):
        """A connection ended. A framework's failover timeout begins."""
        for framework in list(self.frameworks.values()):
            if framework.stream and framework.stream.writer is writer:
                framework.stream.closed = True
                framework.stream = None
                for offer in [o for o in self.offers.values() if o.framework is framework]:
                    self.take_back(offer)
                framework.failover = asyncio.get_running_loop().call_later(
                    min(framework.info.failover_timeout, 1e6), self.remove, framework)

    def remove(self, framework):
        self.frameworks.pop(framework.id, None)
        self.removed.add(framework.id)
        for offer in [o for o in self.offers.values() if o.framework is framework]:
            self.take_back(offer)
        for agent in self.cluster.by_order:
            for task in list(agent.tasks.values()):
                if task.framework_id == framework.id:
                    task.killed.set()
                    self.cluster.containers.kill(task, 0)
        if framework.stream:
            framework.stream.end()
            framework.stream = None

    # ---- events

    def framework_stream(self, framework_id):
        framework = self.frameworks.get(framework_id)
        return framework.stream if framework else None

    def tell(self, framework, status):
        if framework.stream:
            event = EVENT(type=EVENT.UPDATE)
            event.update.status.CopyFrom(status)
            framework.stream.send(event)

    def deliver(self, task, status):
        """An update of an agent's, through whatever faults there are. Lost ones come again."""
        import random
        framework = self.frameworks.get(task.framework_id)
        if framework is None:
            return
        times = 0 if random.random() < self.faults["drop"] else 1
        if random.random() < self.faults["duplicate"]:
            times += 1
        for _ in range(times):
            if self.faults["delay"] > 0:
                asyncio.get_running_loop().call_later(random.random() * self.faults["delay"], self.tell, framework,
                                                      status)
            else:
                self.tell(framework, status)

    def of_master(self, framework, task_id, agent_id, state, reason, message, task=None):
        s = pb.TaskStatus(state=state, source=pb.TaskStatus.SOURCE_MASTER, message=message, timestamp=time.time())
        s.task_id.value = task_id
        if agent_id:
            s.agent_id.value = agent_id
        if reason is not None:
            s.reason = reason
        if task is not None and task.last is not None and task.last.HasField("container_status"):
            s.container_status.CopyFrom(task.last.container_status)
        self.tell(framework, s)

    # ---- offers

    def allocate_soon(self):
        if self.allocating is None:
            self.allocating = asyncio.get_running_loop().call_later(self.options.allocation_delay, self.allocate)

    def allocate(self):
        self.allocating = None
        now = time.monotonic()
        later = None
        for framework in self.frameworks.values():
            if framework.stream is None:
                continue
            event = EVENT(type=EVENT.OFFERS)
            for agent in self.cluster.by_order:
                if not agent.connected:
                    continue
                for role in framework.roles:
                    if role in framework.suppressed:
                        continue
                    until = framework.filters.get((agent.id, role), 0)
                    if until > now:
                        later = min(later or until, until)
                        continue
                    pools = {r: agent.free[r] for r in dict.fromkeys((role, "*"))
                             if r in agent.free and not agent.free[r].empty()}
                    if not pools or not any(p.scalars["cpus"] or p.scalars["mem"] for p in pools.values()):
                        continue
                    for r in pools:
                        agent.free[r] = Pool()
                    self.offer(framework, agent, role, pools, event)
            if event.offers.offers:
                framework.stream.send(event)
        if later:
            asyncio.get_running_loop().call_later(max(0.001, later - now), self.allocate_soon)

    def offer(self, framework, agent, role, pools, event):
        offer = Offer(self.numbers[1], self, framework, agent, role, pools)
        self.numbers[1] += 1
        self.offers[offer.id] = offer
        o = event.offers.offers.add(hostname=agent.hostname)
        o.id.value, o.framework_id.value, o.agent_id.value = offer.id, framework.id, agent.id
        refinement = framework.has(CAPABILITY.RESERVATION_REFINEMENT)
        multi = framework.has(CAPABILITY.MULTI_ROLE)
        for r, pool in pools.items():
            pool.write(o.resources, r, role if multi else None, refinement)
        for name, value in agent.attributes.items():
            o.attributes.add(name=name, type=pb.Value.TEXT).text.value = value
        o.url.scheme, o.url.path = self.cluster.scheme, "/slave(1)"
        o.url.address.hostname = o.url.address.ip = self.cluster.address
        o.url.address.port = self.cluster.files_port
        if multi:
            o.allocation_info.role = role
        if agent.unavailability:
            o.unavailability.CopyFrom(agent.unavailability)

    def take_back(self, offer, refuse=None):
        if self.offers.pop(offer.id, None) is None:
            return
        offer.agent.give_back(offer.pools)
        if refuse:
            offer.framework.filters[(offer.agent.id, offer.role)] = time.monotonic() + refuse
        self.allocate_soon()

    def rescind(self, offer):
        if offer.framework.stream and offer.id in self.offers:
            event = EVENT(type=EVENT.RESCIND)
            event.rescind.offer_id.value = offer.id
            offer.framework.stream.send(event)
        self.take_back(offer)

    # ---- calls

    @staticmethod
    def refuse_seconds(filters):
        return filters.refuse_seconds if filters.HasField("refuse_seconds") else 5.0

    def on_teardown(self, framework, call):
        self.remove(framework)

    def on_decline(self, framework, call):
        for offer_id in call.decline.offer_ids:
            offer = self.offers.get(offer_id.value)
            if offer and offer.framework is framework:
                self.take_back(offer, self.refuse_seconds(call.decline.filters))

    def on_suppress(self, framework, call):
        framework.suppressed |= set(call.suppress.roles or framework.roles)

    def on_revive(self, framework, call):
        framework.suppressed -= set(call.revive.roles or framework.roles)
        framework.filters = {}
        self.allocate_soon()

    def on_accept_inverse_offers(self, framework, call):
        for offer_id in call.accept_inverse_offers.inverse_offer_ids:
            self.inverse[offer_id.value] = "accepted"

    def on_kill(self, framework, call):
        task = self.cluster.task(call.kill.task_id.value)
        if task is None or task.framework_id != framework.id:
            return self.of_master(framework, call.kill.task_id.value, call.kill.agent_id.value, pb.TASK_LOST,
                                  pb.TaskStatus.REASON_RECONCILIATION, "Attempted to kill an unknown task")
        if task.agent.connected:
            task.kill(call.kill.kill_policy)

    def on_acknowledge(self, framework, call):
        task = self.cluster.task(call.acknowledge.task_id.value)
        if task is not None:
            task.acknowledged(call.acknowledge.uuid)

    def on_shutdown(self, framework, call):
        for task in self.cluster.of_executor(call.shutdown.executor_id.value):
            if task.framework_id == framework.id and task.agent.id == call.shutdown.agent_id.value:
                task.killed.set()
                self.cluster.containers.kill(task, 0)

    def on_message(self, framework, call):
        """To an executor. The simulator's send each message back, which the real ones do not."""
        message = call.message
        if any(t.framework_id == framework.id for t in self.cluster.of_executor(message.executor_id.value)):
            event = EVENT(type=EVENT.MESSAGE)
            event.message.agent_id.CopyFrom(message.agent_id)
            event.message.executor_id.CopyFrom(message.executor_id)
            event.message.data = message.data
            framework.stream.send(event)

    def on_reconcile(self, framework, call):
        reason = pb.TaskStatus.REASON_RECONCILIATION
        aware = framework.has(CAPABILITY.PARTITION_AWARE)
        if not call.reconcile.tasks:
            for agent in self.cluster.by_order:
                for task in list(agent.tasks.values()):
                    if task.framework_id == framework.id and agent.connected and task.state not in TERMINAL:
                        self.of_master(framework, task.id, agent.id, task.state, reason,
                                       "Reconciliation: Latest task state", task)
            return
        for one in call.reconcile.tasks:
            task_id, agent_id = one.task_id.value, one.agent_id.value
            task = self.cluster.task(task_id)
            if task is not None and task.framework_id == framework.id:
                if task.unreachable:
                    if agent_id:
                        self.of_master(framework, task_id, agent_id,
                                       pb.TASK_UNREACHABLE if aware else pb.TASK_LOST, reason,
                                       "Reconciliation: Task is unreachable")
                elif task.agent.connected:
                    self.of_master(framework, task_id, task.agent.id, task.state, reason,
                                   "Reconciliation: Latest task state", task)
            elif agent_id in self.cluster.agents:
                if self.cluster.agents[agent_id].connected:
                    self.of_master(framework, task_id, agent_id, pb.TASK_GONE if aware else pb.TASK_LOST, reason,
                                   "Reconciliation: Task is unknown to the agent")
            else:
                self.of_master(framework, task_id, agent_id, pb.TASK_UNKNOWN if aware else pb.TASK_LOST, reason,
                               "Reconciliation: Task is unknown")

    def on_accept(self, framework, call):
        offers = [self.offers.get(o.value) for o in call.accept.offer_ids]
        infos, executors = [], {}
        for operation in call.accept.operations:
            infos += list(operation.launch.task_infos) + list(operation.launch_group.task_group.tasks)
            for info in operation.launch_group.task_group.tasks:
                executors[info.task_id.value] = operation.launch_group.executor
        error = None
        for offer_id, offer in zip(call.accept.offer_ids, offers):
            if offer is None or offer.framework is not framework:
                error = f"Offer {offer_id.value} is no longer valid"
            elif offer.agent is not offers[0].agent:
                error = (f"Aggregated offers must belong to one single agent. Offer {offer_id.value} uses agent "
                         f"{offer.agent.id} and agent {offers[0].agent.id}")
            if error:
                break
        if error:
            state = pb.TASK_DROPPED if framework.has(CAPABILITY.PARTITION_AWARE) else pb.TASK_LOST
            for info in infos:
                self.of_master(framework, info.task_id.value, info.agent_id.value, state,
                               pb.TaskStatus.REASON_INVALID_OFFERS, "Task launched with invalid offers: " + error)
            for offer in offers:
                if offer is not None:
                    self.take_back(offer)
            return
        agent = offers[0].agent
        left = {}
        for offer in offers:
            for role, pool in offer.pools.items():
                left.setdefault(role, Pool()).add(pool)
            self.offers.pop(offer.id)
        for info in infos:
            executor = executors.get(info.task_id.value)
            error = invalid_group(framework, info, executor) if executor else None
            reason = pb.TaskStatus.REASON_TASK_GROUP_INVALID if error else pb.TaskStatus.REASON_TASK_INVALID
            error = error or invalid_task(self.cluster, info, agent, offers[0].role, left)
            if error:
                self.of_master(framework, info.task_id.value, info.agent_id.value, pb.TASK_ERROR, reason, error)
                continue
            for role, pool in pools_of(list(info.resources) + list(executor.resources if executor else [])).items():
                left[role].subtract(pool)
            self.launched += 1
            self.cluster.launch(agent, framework.id, info, executor)
        agent.give_back(left)
        refuse = self.refuse_seconds(call.accept.filters)
        if refuse and any(not p.empty() for p in left.values()):
            framework.filters[(agent.id, offers[0].role)] = time.monotonic() + refuse
        self.allocate_soon()
