/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny plugin in C99: containers that exist in memory only. TINY_NAME is its name. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "berth/plugin/abi.h"
#include "berth/plugin/container_factory.h"
#include "berth/plugin/host.h"
#include "berth/plugin/note.h"

#define MAX_CONTAINERS 64
#define MAX_NAME 128

struct tiny {
  const berth_host* host;
  pthread_mutex_t mutex;
  char names[MAX_CONTAINERS][MAX_NAME]; /* empty: free */
};

static berth_str str(const char* text) {
  berth_str s;
  s.data = text;
  s.len = strlen(text);
  return s;
}

static void answer(struct tiny* tiny, berth_op op, int32_t code, const char* message,
                   const void* result) {
  berth_status status = {sizeof(berth_status), 0, 0, 0, {NULL, 0}};
  status.code = code;
  status.message = str(message);
  tiny->host->complete(tiny->host->context, op, &status, result);
}

static void fill_info(berth_container_info* info, const char* name) {
  memset(info, 0, sizeof(*info));
  info->struct_size = sizeof(*info);
  info->state = BERTH_CONTAINER_RUNNING;
  info->id = str(name);
  info->token = str("tiny");
  info->address = str("unix:/tiny");
  info->name = str(name);
}

static void tiny_start(void* self, berth_op op, uint64_t deadline_ns,
                       const berth_container_events* events) {
  (void)deadline_ns;
  (void)events;
  answer(self, op, BERTH_OK, "", NULL);
}

/* C has no exceptions: what the others throw for kind "throws" is a plain error here. */
static void tiny_create(void* self, berth_op op, uint64_t deadline_ns,
                        const berth_create_request* request) {
  struct tiny* tiny = self;
  berth_container_info info;
  int i;
  (void)deadline_ns;
  if (request->kind.len == 6 && memcmp(request->kind.data, "throws", 6) == 0) {
    answer(tiny, op, BERTH_INTERNAL, "as asked", NULL);
    return;
  }
  if (request->name.len >= MAX_NAME) {
    answer(tiny, op, BERTH_INVALID_ARGUMENT, "the name is too long", NULL);
    return;
  }
  pthread_mutex_lock(&tiny->mutex);
  for (i = 0; i < MAX_CONTAINERS && tiny->names[i][0] != 0; ++i) {
  }
  if (i < MAX_CONTAINERS) memcpy(tiny->names[i], request->name.data, request->name.len);
  pthread_mutex_unlock(&tiny->mutex);
  if (i == MAX_CONTAINERS) {
    answer(tiny, op, BERTH_RESOURCE_EXHAUSTED, "full", NULL);
    return;
  }
  fill_info(&info, tiny->names[i]);
  answer(tiny, op, BERTH_OK, "", &info);
}

static void tiny_destroy(void* self, berth_op op, uint64_t deadline_ns, berth_str id) {
  struct tiny* tiny = self;
  int i;
  int found = 0;
  (void)deadline_ns;
  pthread_mutex_lock(&tiny->mutex);
  for (i = 0; i < MAX_CONTAINERS && !found; ++i) {
    if (tiny->names[i][0] != 0 && strlen(tiny->names[i]) == id.len &&
        memcmp(tiny->names[i], id.data, id.len) == 0) {
      memset(tiny->names[i], 0, MAX_NAME);
      found = 1;
    }
  }
  pthread_mutex_unlock(&tiny->mutex);
  if (found) {
    answer(tiny, op, BERTH_OK, "", NULL);
  } else {
    answer(tiny, op, BERTH_NOT_FOUND, "no such container", NULL);
  }
}

static void tiny_unimplemented(void* self, berth_op op, uint64_t deadline_ns, berth_str id) {
  (void)deadline_ns;
  (void)id;
  answer(self, op, BERTH_UNIMPLEMENTED, "tiny containers do not pause", NULL);
}

static void tiny_list(void* self, berth_op op, uint64_t deadline_ns, berth_str cursor,
                      uint32_t limit) {
  struct tiny* tiny = self;
  berth_container_info infos[MAX_CONTAINERS];
  const berth_container_info* pointers[MAX_CONTAINERS];
  berth_container_list list;
  int i;
  (void)deadline_ns;
  (void)cursor;
  (void)limit;
  memset(&list, 0, sizeof(list));
  list.struct_size = sizeof(list);
  list.containers = pointers;
  pthread_mutex_lock(&tiny->mutex);
  for (i = 0; i < MAX_CONTAINERS; ++i) {
    if (tiny->names[i][0] == 0) continue;
    fill_info(&infos[list.count], tiny->names[i]);
    pointers[list.count] = &infos[list.count];
    ++list.count;
  }
  answer(tiny, op, BERTH_OK, "", &list); /* never calls back, so the lock may be held */
  pthread_mutex_unlock(&tiny->mutex);
}

static void tiny_read_logs(void* self, berth_op op, uint64_t deadline_ns, berth_str id,
                           berth_str cursor, uint64_t max_bytes) {
  berth_log_batch batch;
  (void)deadline_ns;
  (void)id;
  (void)cursor;
  (void)max_bytes;
  memset(&batch, 0, sizeof(batch));
  batch.struct_size = sizeof(batch);
  batch.ended = 1;
  answer(self, op, BERTH_OK, "", &batch);
}

static void tiny_capacity(void* self, berth_op op, uint64_t deadline_ns) {
  berth_capacity capacity = {sizeof(berth_capacity), 0, -1, -1, -1, MAX_CONTAINERS, {NULL, 0}};
  (void)deadline_ns;
  answer(self, op, BERTH_OK, "", &capacity);
}

static void tiny_drain(void* self, berth_op op, uint64_t deadline_ns) {
  (void)deadline_ns;
  answer(self, op, BERTH_OK, "", NULL);
}

static void tiny_stop(void* self, berth_op op, uint64_t deadline_ns, int32_t mode) {
  (void)deadline_ns;
  (void)mode;
  answer(self, op, BERTH_OK, "", NULL);
}

static void tiny_cancel(void* self, berth_op op) {
  (void)self;
  (void)op;
}

static const berth_container_factory tiny_table = {
    sizeof(berth_container_factory),
    0,
    tiny_start,
    tiny_create,
    tiny_destroy,
    tiny_unimplemented,
    tiny_unimplemented,
    tiny_list,
    tiny_read_logs,
    tiny_capacity,
    tiny_drain,
    tiny_stop,
    tiny_cancel,
};

static int32_t tiny_open(const berth_open_args* args, void** instance) {
  struct tiny* tiny = calloc(1, sizeof(*tiny));
  if (tiny == NULL) return BERTH_RESOURCE_EXHAUSTED;
  tiny->host = args->host;
  pthread_mutex_init(&tiny->mutex, NULL);
  *instance = tiny;
  return BERTH_OK;
}

static const void* tiny_query(void* instance, berth_str id) {
  static const char wanted[] = BERTH_INTERFACE_CONTAINER_FACTORY;
  (void)instance;
  return id.len == sizeof(wanted) - 1 && memcmp(id.data, wanted, id.len) == 0 ? &tiny_table : NULL;
}

static void tiny_close(void* instance) {
  struct tiny* tiny = instance;
  pthread_mutex_destroy(&tiny->mutex);
  free(tiny);
}

BERTH_PLUGIN_NOTE("{\"name\":\"" TINY_NAME
                  "\",\"id\":\"org.example.tiny\",\"version\":\"1.0.0\","
                  "\"abi\":\"1.0\",\"provides\":[\"berth.container-factory/1\"],\"needs\":[],"
                  "\"flags\":[],\"config_schema\":{\"type\":\"object\"}}");

BERTH_EXPORT extern const berth_plugin_entry_v1 berth_plugin_entry;
const berth_plugin_entry_v1 berth_plugin_entry = {
    sizeof(berth_plugin_entry_v1),
    BERTH_ABI_MAJOR,
    BERTH_ABI_MINOR,
    0,
    TINY_NAME,
    "org.example.tiny",
    "1.0.0",
    tiny_open,
    tiny_query,
    tiny_close,
};
