# SPDX-License-Identifier: Apache-2.0
"""What a master refuses, and in which words: None, or the message."""

import re

import berth_mesos_v1_pb2 as pb
from sim_cluster import pools_of

CAPABILITY = pb.FrameworkInfo.Capability


def invalid_framework(info, suppressed):
    multi = any(c.type == CAPABILITY.MULTI_ROLE for c in info.capabilities)
    if multi and info.HasField("role"):
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not multi and info.roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    for role in info.roles:
        if role.startswith("/"):
            return f"'FrameworkInfo.roles' contains invalid role: Role '{role}' cannot start with a slash"
    odd = [r for r in suppressed if r not in (info.roles if multi else [info.role or "*"])]
    if odd:
        return f"Suppressed roles {{ {', '.join(odd)} }} are not contained in the set of roles"
    if not 0 <= info.failover_timeout < 9e9:
        return f"The framework failover_timeout ({info.failover_timeout:g}) is invalid"
    return None


def invalid_task(cluster, info, agent, role, left):
    if not re.fullmatch(r"[^/\\\s\x00-\x1f]+", info.task_id.value):
        return f"'{info.task_id.value}' contains invalid characters"
    if info.agent_id.value != agent.id:
        return f"Task uses invalid agent {info.agent_id.value} while agent {agent.id} is expected"
    if cluster.task(info.task_id.value) is not None:
        return f"Task has duplicate ID: {info.task_id.value}"
    wanted = pools_of(info.resources)
    for r, pool in wanted.items():
        if r not in left or not left[r].covers(pool):
            return (f"Total resources {'; '.join(p.text(role) for p in wanted.values())} required by task and its "
                    f"executor is more than available {'; '.join(p.text(role) for p in left.values())}")
    return None


def invalid_group(framework, info, executor):
    if executor.type != pb.ExecutorInfo.DEFAULT or not executor.executor_id.value:
        return "Executor of a task group must be a default executor with an id"
    if executor.framework_id.value != framework.id:
        return f"ExecutorInfo has an invalid FrameworkID (Actual: {executor.framework_id.value} vs Expected: " \
               f"{framework.id})"
    if info.container.network_infos:
        return "NetworkInfos must not be set on the task"
    if info.HasField("container") and info.container.type == pb.ContainerInfo.DOCKER:
        return "Docker ContainerInfo is not supported on the task"
    amounts = {r.name: r.scalar.value for r in executor.resources}
    if amounts.get("cpus", 0) < 0.01 or amounts.get("mem", 0) < 32:
        return "The executor of a task group needs at least 0.01 cpus and 32 MB"
    return None
