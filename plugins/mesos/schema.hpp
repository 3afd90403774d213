// SPDX-License-Identifier: Apache-2.0
// The JSON Schema of [plugin.mesos], a literal so that it can stand in the plugin's note.
#pragma once

// One key a line.
// clang-format off
#define BERTH_MESOS_SCHEMA \
  R"({"type":"object","additionalProperties":false,"required":["masters"],"properties":{)" \
  R"("masters":{"anyOf":[{"type":"string"},{"type":"array","minItems":1,"items":{"type":"string"}}],)" \
    R"("description":"http://host:port of each, or zk://host:port/path"},)" \
  R"("secret":{"type":"string","writeOnly":true,"description":"Of the principal"},)" \
  R"("principal":{"type":"string","description":"Who this framework is"},)" \
  R"("framework_name":{"type":"string","description":"As Mesos shows it"},)" \
  R"("user":{"type":"string","description":"That tasks run as"},)" \
  R"("webui_url":{"type":"string","description":"Linked from Mesos' pages"},)" \
  R"("roles":{"type":"array","minItems":1,"items":{"type":"string","minLength":1}},)" \
  R"("failover_timeout":{"type":["integer","string"],)" \
    R"("description":"How long tasks outlive berthd"},)" \
  R"("checkpoint":{"type":"boolean","description":"Tasks outlive a restart of their agent"},)" \
  R"("teardown_on_exit":{"type":"boolean",)" \
    R"("description":"A stop that kills removes the framework"},)" \
  R"("containerizer":{"enum":["docker","mesos"]},)" \
  R"("task_group":{"type":"boolean",)" \
    R"("description":"Each container under a default executor of its own; only by the mesos containerizer"},)" \
  R"("network":{"type":"string","description":"bridge, host, or a network's name"},)" \
  R"("port":{"type":"integer","minimum":1,"maximum":65535,"description":"The proxy's port"},)" \
  R"("parameters":{"type":"object","additionalProperties":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},)" \
    R"("description":"Words of docker run"},)" \
  R"("dns":{"type":"array","items":{"type":"string"},"description":"Name servers"},)" \
  R"("environment":{"type":"object","additionalProperties":{"type":"string"},)" \
    R"("description":"Variables of every container"},)" \
  R"("labels":{"type":"object","additionalProperties":{"type":"string"},)" \
    R"("description":"Labels of every task"},)" \
  R"("uris":{"type":"array","items":{"type":"string"},)" \
    R"("description":"Fetched into the sandbox, e.g. docker.tar.gz of credentials"},)" \
  R"("docker_config":{"type":"string",)" \
    R"("description":"A config.json with registry credentials; of the mesos containerizer"},)" \
  R"("force_pull":{"enum":["never","user","always"],)" \
    R"("description":"Which images are always pulled"},)" \
  R"("cpus":{"type":"number","minimum":0,)" \
    R"("description":"Of each container; 0: by its CPU shares"},)" \
  R"("disk":{"type":"integer","minimum":0,"description":"MB of each container"},)" \
  R"("gpus":{"type":"integer","minimum":0},)" \
  R"("matcher":{"enum":["first-match","best-fit","spread"]},)" \
  R"("constraints":{"type":"array","items":{"type":"array","minItems":2,"maxItems":3,"items":{"type":"string"}},)" \
    R"("description":"Which agents may run functions"},)" \
  R"("blackbox_constraints":{"type":"array","items":{"type":"array","minItems":2,"maxItems":3,"items":{"type":"string"}},)" \
    R"("description":"Which may run images of their authors'"},)" \
  R"("health_check":{"type":"object","additionalProperties":false,"required":["type"],)" \
  R"("properties":{"type":{"enum":["tcp","http"]},"path":{"type":"string"},"delay":{"type":"number"},)" \
  R"("interval":{"type":"number"},"timeout":{"type":"number"},"grace_period":{"type":"number"},)" \
    R"("max_consecutive_failures":{"type":"integer","minimum":1}}},)" \
  R"("logs":{"enum":["agent","none"],"description":"Where output is read from"},)" \
  R"("launch_timeout":{"type":["integer","string"],)" \
    R"("description":"From create to the function's listening"},)" \
  R"("start_timeout":{"type":["integer","string"],)" \
    R"("description":"How long a start waits for a master"},)" \
  R"("offer_hold":{"type":["integer","string"],)" \
    R"("description":"An offer nobody needs is kept so long"},)" \
  R"("offer_refuse":{"type":["integer","string"],)" \
    R"("description":"And then not wanted for so long"},)" \
  R"("kill_grace":{"type":["integer","string"],"description":"From SIGTERM to SIGKILL"},)" \
  R"("kill_retry":{"type":["integer","string"],)" \
    R"("description":"A kill is said again after so long"},)" \
  R"("unreachable_after":{"type":["integer","string"],)" \
    R"("description":"A container out of sight so long is given up"},)" \
  R"("reconcile_interval":{"type":["integer","string"],)" \
    R"("description":"Between two comparisons with the master"},)" \
  R"("drain_lead":{"type":["integer","string"],)" \
    R"("description":"Containers leave an agent so long before its maintenance"},)" \
  R"("call_timeout":{"type":["integer","string"],"description":"Of each call"},)" \
  R"("backoff_max":{"type":["integer","string"],)" \
    R"("description":"Between two attempts to subscribe"},)" \
  R"("missed_heartbeats":{"type":"integer","minimum":1,"maximum":100},)" \
  R"("tls":{"type":"object","additionalProperties":false,"properties":{"ca":{"type":"string"},)" \
  R"("cert":{"type":"string"},"key":{"type":"string"},"server_name":{"type":"string"},)" \
    R"("verify":{"type":"boolean"}}})" \
  R"(}})"
// clang-format on
