// SPDX-License-Identifier: Apache-2.0
#include "keys.hpp"

namespace berth::daemon {

using config::Key;
using config::Type;

const std::vector<Key>& keys() {
  constexpr std::int64_t kMb = 1024 * 1024;
  constexpr std::int64_t kDay = 86'400'000;
  static const std::vector<Key> table = {
      {"data_dir", Type::kString, "",
       "Where everything is kept. Default: /var/lib/berth for root, else $XDG_STATE_HOME/berth or "
       "~/.local/state/berth."},
      {"instance", Type::kString, "\"berth\"",
       "Name of this berthd, [a-z0-9-], part of container names."},

      {"http.listen", Type::kString, "\"127.0.0.1:3233\"",
       "Address of the REST API; port 0 takes a free one."},
      {"http.threads", Type::kInteger, "0",
       "Threads that speak HTTP, with clients and with containers, beside the one that has the "
       "pool; 0: that one does it all, the shortest way. For more requests a second than one core "
       "can do (docs/operators.md).",
       0, 64},
      {"http.tls_certificate", Type::kString, "",
       "PEM file with the certificate and its chain; with it the REST API speaks TLS. Read again "
       "at SIGHUP."},
      {"http.tls_key", Type::kString, "", "PEM file with the certificate's key, no passphrase."},
      {"http.max_connections", Type::kInteger, "8192", "Further connections get 503.", 1,
       1'000'000},
      {"http.header_timeout", Type::kDuration, "\"10s\"",
       "From a request's first byte to the end of its header.", 10, 600'000},
      {"http.header_max", Type::kSize, "\"64KB\"",
       "Largest request line with header; longer ones get 431.", 1024, 16 * kMb},
      {"http.write_timeout", Type::kDuration, "\"30s\"",
       "A client that takes no 16 KB of its reply in this time is dropped.", 10, 3'600'000},
      {"http.body_timeout", Type::kDuration, "\"30s\"", "For a whole request body.", 10, 3'600'000},
      {"http.idle_timeout", Type::kDuration, "\"70s\"", "Of a kept connection.", 10, 3'600'000},

      {"log.level",
       Type::kString,
       "\"info\"",
       "Least level written to stderr.",
       INT64_MIN,
       INT64_MAX,
       {"debug", "info", "warn", "error"}},
      {"log.format",
       Type::kString,
       "\"logfmt\"",
       "One line each, in this form.",
       INT64_MIN,
       INT64_MAX,
       {"logfmt", "json"}},

      {"plugins.directory", Type::kString, "",
       "Where libberth_*.so are. Default: ../plugins beside the program if it is there, else "
       "../lib/berth/plugins."},

      {"containers.plugin", Type::kString, "\"process\"", "The ContainerFactory."},
      {"containers.memory", Type::kSize, "\"2048MB\"",
       "Memory that all containers may use together.", 64 * kMb},
      {"containers.queue_limit", Type::kInteger, "10000",
       "Activations that may wait for a container; further ones get 429.", 1, 10'000'000},
      {"containers.start_timeout", Type::kDuration, "\"60s\"", "For creating one container.", 100,
       3'600'000},
      {"containers.start_patience", Type::kDuration, "\"60s\"",
       "While the container engine is away, an activation waits so long for it to come back.", 0,
       kDay},
      {"containers.pause_grace", Type::kDuration, "\"10s\"",
       "An idle container is paused after this.", 10, kDay},
      {"containers.idle_timeout", Type::kDuration, "\"10m\"",
       "An idle container is removed after this.", 100, 30 * kDay},
      {"containers.keep", Type::kInteger, "0",
       "So many idle containers of each action stay until containers.keep_timeout.", 0, 1000},
      {"containers.keep_timeout", Type::kDuration, "\"1h\"", "See containers.keep.", 100,
       30 * kDay},
      {"containers.stats_interval", Type::kDuration, "\"15s\"",
       "How often /metrics gets what all containers together use; 0: never.", 0, kDay},
      {"containers.predict", Type::kBoolean, "false",
       "Prewarm (within a manifest's reactive maxCount) also for what the same minute of the last "
       "hours brought."},
      {"containers.prewarm", Type::kBoolean, "true",
       "Without runtimes.manifest: start one container of each interpreted kind ahead."},
      {"containers.on_stop",
       Type::kString,
       "\"detach\"",
       "What becomes of containers when berthd stops: detach leaves them to the next berthd.",
       INT64_MIN,
       INT64_MAX,
       {"detach", "kill"}},
      {"containers.api_host", Type::kString, "",
       "__OW_API_HOST of functions. Default: http:// and the address of http.listen."},

      {"runtimes.manifest", Type::kString, "",
       "An OpenWhisk runtimes.json. Default: the kinds whose interpreters this machine has."},

      {"logs.plugin", Type::kString, "\"file\"", "The LogStore."},
      {"logs.plugins", Type::kStringList, "",
       "Several LogStores: written to all, fetched from the first that answers. Wins over "
       "logs.plugin."},

      {"limits.timeout_min", Type::kDuration, "\"100ms\"", "Least time limit of an action.", 1,
       kDay},
      {"limits.timeout_default", Type::kDuration, "\"60s\"",
       "Time limit of an action that names none.", 1, kDay},
      {"limits.timeout_max", Type::kDuration, "\"300s\"", "Largest time limit of an action.", 1,
       kDay},
      {"limits.memory_min", Type::kSize, "\"128MB\"", "Least memory limit of an action.", 16 * kMb},
      {"limits.memory_default", Type::kSize, "\"256MB\"",
       "Memory limit of an action that names none.", 16 * kMb},
      {"limits.memory_max", Type::kSize, "\"512MB\"", "Largest memory limit of an action.",
       16 * kMb},
      {"limits.logs_max", Type::kSize, "\"10MB\"",
       "Largest, and usual, log limit of an activation.", 0, 1024 * kMb},
      {"limits.concurrency_max", Type::kInteger, "1",
       "Largest number of activations that an action may have in one container at once.", 1, 500},
      {"limits.code_max", Type::kSize, "\"48MB\"", "Largest code of an action, as sent.", 1,
       48 * kMb},
      {"limits.payload_max", Type::kSize, "\"1MB\"", "Largest body of an invocation.", 1, 48 * kMb},
      {"limits.result_max", Type::kSize, "\"1MB\"", "Largest result of an activation.", 1,
       48 * kMb},
      {"limits.parameters_max", Type::kSize, "\"1MB\"", "Largest parameters of an action.", 1,
       48 * kMb},
      {"limits.blocking_wait", Type::kDuration, "\"60s\"",
       "A blocking invocation that is not done by then is answered 202.", 1, 3'600'000},
      {"limits.sequence_max", Type::kInteger, "50",
       "Actions in a sequence, those of sequences in it counted in; components of a composition.",
       1, 1000},
      {"limits.invocations_per_minute", Type::kInteger, "0", "Of one namespace; 0: no limit.", 0},
      {"limits.concurrent_invocations", Type::kInteger, "0", "Of one namespace; 0: no limit.", 0},
      {"limits.fires_per_minute", Type::kInteger, "0", "Of triggers of one namespace; 0: no limit.",
       0},
      {"limits.alarms_per_namespace", Type::kInteger, "1000",
       "Alarms that the triggers of one namespace may have.", 0, 1'000'000},

      {"parameters.encryption",
       Type::kString,
       "\"off\"",
       "How parameters, alarms and arguments of accepted activations are encrypted on the disk.",
       INT64_MIN,
       INT64_MAX,
       {"off", "aes-128", "aes-256"}},
      {"parameters.key_files", Type::kStringList, "[]",
       "Files with a key each: base64 of 16 bytes (aes-128) or 32 (aes-256). The first that fits "
       "encrypts, the others open what was encrypted before. Nobody but berthd's user and root may "
       "read them."},

      {"activations.keep", Type::kDuration, "\"7d\"", "Records are removed after this.", 1000,
       3650 * kDay},
      {"activations.keep_count", Type::kInteger, "0",
       "Of one namespace the newest so many records are kept; 0: all that are young enough. "
       "keptActivations of a namespace's limits wins.",
       0},
      {"activations.record_before_reply", Type::kBoolean, "false",
       "A blocking invocation is answered when its record is on disk, not before."},

      {"shutdown.grace", Type::kDuration, "\"30s\"",
       "What still runs so long after SIGTERM is recorded as interrupted.", 0, kDay},
  };
  return table;
}

}  // namespace berth::daemon
