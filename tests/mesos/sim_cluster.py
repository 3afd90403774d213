# SPDX-License-Identifier: Apache-2.0
"""Agents, their resources, and tasks with their status updates: what outlives a master."""

import asyncio
import json
import random
import time
import uuid

import berth_mesos_v1_pb2 as pb

RETRY = 10.0  # an unacknowledged update is sent again after so long, as Mesos does
SCALARS = ("cpus", "mem", "disk", "gpus")
TERMINAL = {pb.TASK_FINISHED, pb.TASK_FAILED, pb.TASK_KILLED, pb.TASK_ERROR, pb.TASK_LOST, pb.TASK_DROPPED,
            pb.TASK_GONE, pb.TASK_GONE_BY_OPERATOR}


def milli(value):
    return round(value * 1000)


def ranges_of(numbers):
    """[(begin, end)] of a set of numbers."""
    found = []
    for n in sorted(numbers):
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return found


class Pool:
    """Resources of one role on one agent: thousandths of scalars, and ports."""

    def __init__(self, scalars=None, ports=()):
        self.scalars = dict.fromkeys(SCALARS, 0)
        self.scalars.update(scalars or {})
        self.ports = set(ports)

    def empty(self):
        return not self.ports and not any(self.scalars.values())

    def add(self, other):
        for name in SCALARS:
            self.scalars[name] += other.scalars[name]
        self.ports |= other.ports

    def subtract(self, other):
        for name in SCALARS:
            self.scalars[name] -= other.scalars[name]
        self.ports -= other.ports

    def covers(self, other):
        return all(self.scalars[n] >= other.scalars[n] for n in SCALARS)

    def copy(self):
        return Pool(self.scalars, self.ports)

    def write(self, to, role, allocated, refinement):
        """Appends it as Resource messages, in the master's order."""
        def one(name, kind):
            r = to.add(name=name, type=kind)
            if allocated:
                r.allocation_info.role = allocated
            if not refinement:
                r.role = role
            elif role != "*":
                r.reservations.add(type=pb.Resource.ReservationInfo.STATIC, role=role)
            return r

        if self.ports:
            r = one("ports", pb.Value.RANGES)
            for begin, end in ranges_of(self.ports):
                r.ranges.range.add(begin=begin, end=end)
        for name in SCALARS:
            if self.scalars[name]:
                one(name, pb.Value.SCALAR).scalar.value = self.scalars[name] / 1000

    def text(self, role):
        """As the master prints resources in its errors."""
        words = []
        if self.ports:
            words.append(f"ports(allocated: {role}):[" + ", ".join(f"{b}-{e}" for b, e in ranges_of(self.ports)) + "]")
        words += [f"{n}(allocated: {role}):{self.scalars[n] / 1000:g}" for n in SCALARS if self.scalars[n]]
        return "; ".join(words)


def pools_of(resources):
    """{role: Pool} of Resource messages."""
    pools = {}
    for r in resources:
        role = r.reservations[-1].role if r.reservations else (r.role or "*")
        pool = pools.setdefault(role, Pool())
        if r.name == "ports":
            for span in r.ranges.range:
                pool.ports |= set(range(span.begin, span.end + 1))
        elif r.name in SCALARS:
            pool.scalars[r.name] += milli(r.scalar.value)
    return pools


class Agent:
    def __init__(self, number, cluster, pools, attributes):
        self.id = f"{cluster.id}-S{number}"
        self.hostname = cluster.hostname
        self.attributes = attributes
        self.free = {role: pool.copy() for role, pool in pools.items()}
        self.tasks = {}
        self.connected = True  # to the master
        self.unavailability = None
        self.broken = False  # its engine starts nothing

    def give_back(self, pools):
        for role, pool in pools.items():
            self.free.setdefault(role, Pool()).add(pool)


class Task:
    """A task on an agent, and the queue of updates of which one at a time is on its way."""

    def __init__(self, cluster, agent, framework_id, info, executor=None):
        self.cluster = cluster
        self.agent = agent
        self.framework_id = framework_id
        self.info = info
        self.id = info.task_id.value
        # A group's executor; each group has one task here, so that the two end together.
        self.executor_id = executor.executor_id.value if executor else self.id
        self.parent = str(uuid.uuid4()) if executor else None
        self.pools = pools_of(list(info.resources) + (list(executor.resources) if executor else []))
        self.ports = [m.host_port for m in info.container.docker.port_mappings]
        self.ports += [m.host_port for n in info.container.network_infos for m in n.port_mappings]
        if not self.ports:
            self.ports = sorted(p for pool in self.pools.values() for p in pool.ports)
        self.state = pb.TASK_STAGING
        self.container_id = str(uuid.uuid4())
        self.sandbox = f"{cluster.work}/{agent.id}/{self.id}/{self.container_id}" if cluster.work else ""
        self.killed = asyncio.Event()
        self.process = None
        self.updates = []  # not acknowledged, in order
        self.last = None   # the latest status
        self.retry = None
        self.unreachable = False

    def status(self, state, source=pb.TaskStatus.SOURCE_EXECUTOR, reason=None, message=None, container=True,
               healthy=None):
        s = pb.TaskStatus(state=state, source=source, timestamp=time.time())
        s.task_id.value = self.id
        s.agent_id.value = self.agent.id
        if message is not None:
            s.message = message
        if reason is not None:
            s.reason = reason
        if healthy is not None:
            s.healthy = healthy
        if container:
            s.container_status.container_id.value = self.container_id
            if self.parent:
                s.container_status.container_id.parent.value = self.parent
            info = s.container_status.network_infos.add()
            info.ip_addresses.add(ip_address=self.cluster.address)
        return s

    def update(self, state, **more):
        """A new status of the executor's or the agent's: to be acknowledged."""
        s = self.status(state, **more)
        s.executor_id.value = self.executor_id
        s.uuid = uuid.uuid4().bytes
        if state == pb.TASK_RUNNING and self.info.container.type == pb.ContainerInfo.DOCKER:
            s.data = self.cluster.inspection
        self.state = state
        self.last = s
        self.updates.append(s)
        if len(self.updates) == 1:
            self.send()
        if state in TERMINAL:
            self.agent.give_back(self.pools)
            self.pools = {}
            self.cluster.freed()

    def send(self):
        """Sends the first of the queue, again and again until it is acknowledged."""
        if self.retry:
            self.retry.cancel()
            self.retry = None
        if not self.updates:
            if self.state in TERMINAL:
                self.agent.tasks.pop(self.id, None)
                self.cluster.tasks.pop(self.id, None)
                self.cluster.keep_sandbox(self)
            return
        if self.agent.connected:
            self.cluster.deliver(self, self.updates[0])
        self.retry = asyncio.get_running_loop().call_later(RETRY, self.send)

    def acknowledged(self, uid):
        if self.updates and self.updates[0].uuid == uid:
            self.updates.pop(0)
            self.send()

    async def run(self):
        cluster = self.cluster
        docker = self.info.container.docker
        if self.agent.broken:
            return self.update(pb.TASK_FAILED, message="Container exited with status 125: no space left on device")
        try:
            failed = await cluster.containers.start(self)
        except OSError as e:
            return self.update(pb.TASK_FAILED, message=f"Container exited with status 125: {e}")
        if failed:
            return self.update(pb.TASK_FAILED, source=pb.TaskStatus.SOURCE_AGENT, message=failed, container=False,
                               reason=pb.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED)
        if self.killed.is_set():
            cluster.containers.kill(self, 0)
        if cluster.start_delay:
            await asyncio.sleep(cluster.start_delay)
        if not self.killed.is_set():
            self.update(pb.TASK_STARTING)
        wrong = None
        if docker.port_mappings:
            offered = {p for pool in self.pools.values() for p in pool.ports}
            if docker.network == pb.ContainerInfo.DockerInfo.HOST:
                wrong = "Port mappings are only supported for bridge and user-defined networks"
            elif any(m.host_port not in offered for m in docker.port_mappings):
                wrong = "Port mappings require port resources"
        if wrong:
            return self.update(pb.TASK_FAILED, message="Failed to create docker run options: " + wrong)
        if cluster.run_delay:
            await asyncio.sleep(cluster.run_delay)
        if not self.killed.is_set():
            self.update(pb.TASK_RUNNING)
            if self.info.HasField("health_check"):
                await self.become_healthy()
        code = await cluster.containers.wait(self)
        text = f"Container exited with status {code}"
        if self.killed.is_set():
            return self.update(pb.TASK_KILLED, message=text)
        self.update(pb.TASK_FINISHED if code == 0 else pb.TASK_FAILED, message=text)

    async def become_healthy(self):
        """The checks' first result, as an update of its own behind RUNNING's."""
        await asyncio.sleep(self.info.health_check.delay_seconds)
        check = self.info.health_check
        port = check.tcp.port or check.http.port
        inside = [m.container_port for m in self.info.container.docker.port_mappings] or self.ports
        self.update(pb.TASK_RUNNING, reason=pb.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
                    healthy=port in inside)

    def kill(self, policy):
        if self.state in TERMINAL or self.killed.is_set() or self.cluster.deaf:
            return
        grace = policy.grace_period.nanoseconds / 1e9 if policy.HasField("grace_period") else 5.0
        self.killed.set()
        if self.cluster.task_killing and self.state == pb.TASK_RUNNING:
            self.update(pb.TASK_KILLING)
        self.cluster.containers.kill(self, grace)


class Cluster:
    """The agents. `deliver(task, status)` and `freed()` are the leading master's."""

    def __init__(self, options, containers):
        self.id = str(uuid.uuid4())
        self.options = options
        self.containers = containers
        self.work = options.work
        # A loopback address of its own: several simulators may run at once, each with all ports.
        self.address = options.address or "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))
        self.hostname = self.address
        self.start_delay = options.start_delay
        self.run_delay = options.run_delay
        self.task_killing = True
        self.deaf = False  # executors do not obey when they are told to kill
        self.files_port = 0
        self.scheme = "http"
        # A TASK_RUNNING of a Docker task carries the inspection of its container.
        self.inspection = json.dumps([{"Id": "0" * 64, "Config": {"Env": ["X=" + "y" * options.inspection]}}]).encode()
        self.agents = {}
        self.tasks = {}
        self.ended = {}  # of which the sandbox is still there
        self.deliver = lambda task, status: None
        self.freed = lambda: None
        for n in range(options.agents):
            pools = {"*": Pool({"cpus": milli(options.cpus), "mem": milli(options.mem), "disk": milli(options.disk)},
                               range(options.first_port, options.first_port + options.ports))}
            for word in options.reserved:
                role, cpus, mem = word.split(":")
                pools[role] = Pool({"cpus": milli(float(cpus)), "mem": milli(float(mem))})
            # Agents of one machine share its ports: each has a part of its own.
            if options.share_ports:
                first = options.first_port + n * options.ports
                pools["*"].ports = set(range(first, first + options.ports))
            agent = Agent(n, self, pools, {"rack": f"r{n % 4}", "zone": f"z{n % 2}"})
            self.agents[agent.id] = agent
        self.by_order = list(self.agents.values())

    def task(self, task_id):
        return self.tasks.get(task_id)

    def of_executor(self, executor_id):
        return [t for t in list(self.tasks.values()) if t.executor_id == executor_id]

    def keep_sandbox(self, task):
        if self.options.run != "processes":
            return
        self.ended[task.id] = task
        if len(self.ended) > 100:
            self.containers.forget(self.ended.pop(next(iter(self.ended))))

    def launch(self, agent, framework_id, info, executor=None):
        task = Task(self, agent, framework_id, info, executor)
        agent.tasks[task.id] = self.tasks[task.id] = task
        task.runner = asyncio.get_running_loop().create_task(task.run())
        return task
