// SPDX-License-Identifier: Apache-2.0
#include "activation/record.hpp"

namespace berth::activation {

entity::Activation record_of(const Invocation& invocation) {
  const entity::Action& what = *invocation.action;
  entity::Activation record;
  record.activation_id = invocation.activation_id;
  record.namespace_name = invocation.user.namespace_name;
  record.namespace_uuid = invocation.user.namespace_uuid;
  record.subject = invocation.user.subject;
  record.name = what.name;
  record.version = what.version;
  record.path = what.path();
  record.cause = invocation.cause;
  return record;
}

}  // namespace berth::activation
