// SPDX-License-Identifier: Apache-2.0
// The tiny plugin in Rust (1.63 suffices): the C structs written down by hand, panics caught at the
// border.
use std::collections::BTreeSet;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null;
use std::sync::Mutex;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    data: *const u8,
    len: u64,
}
impl Str {
    fn of(text: &str) -> Str {
        Str { data: text.as_ptr(), len: text.len() as u64 }
    }
    const EMPTY: Str = Str { data: null(), len: 0 };
    unsafe fn to_string(self) -> String {
        if self.len == 0 {
            return String::new();
        }
        String::from_utf8_lossy(std::slice::from_raw_parts(self.data, self.len as usize)).into_owned()
    }
}
#[repr(C)]
pub struct Buf {
    data: *const u8,
    len: u64,
    release: *const c_void,
    context: *mut c_void,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pairs {
    data: *const c_void,
    count: u64,
}
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Op {
    id: u64,
}
#[repr(C)]
pub struct Status {
    struct_size: u32,
    code: i32,
    flags: u32,
    reserved0: u32,
    message: Str,
}
#[repr(C)]
pub struct Host {
    struct_size: u32,
    abi_major: u32,
    abi_minor: u32,
    reserved0: u32,
    context: *mut c_void,
    complete: extern "C" fn(*mut c_void, Op, *const Status, *const c_void),
    query: extern "C" fn(*mut c_void, Str) -> *const c_void,
    set_error: extern "C" fn(*mut c_void, Str),
}
#[repr(C)]
pub struct OpenArgs {
    struct_size: u32,
    reserved0: u32,
    host: *const Host,
    config_json: Str,
    instance: Str,
    data_directory: Str,
    runtime_directory: Str,
}
#[repr(C)]
pub struct CreateRequest {
    struct_size: u32,
    user_provided_image: u32,
    transaction_id: Str,
    name: Str,
    kind: Str,
    image: Str,
    memory_bytes: u64,
    cpu_shares: u32,
    cpu_quota_millis: u32,
    pids_limit: u32,
    concurrency: u32,
    environment: Pairs,
    labels: Pairs,
    log_parameters: Pairs,
}
#[repr(C)]
pub struct ContainerInfo {
    struct_size: u32,
    state: i32,
    id: Str,
    token: Str,
    address: Str,
    name: Str,
    labels: Pairs,
}
#[repr(C)]
pub struct ContainerList {
    struct_size: u32,
    reserved0: u32,
    containers: *const *const ContainerInfo,
    count: u64,
    next_cursor: Str,
}
#[repr(C)]
pub struct LogBatch {
    struct_size: u32,
    ended: u32,
    records: *const c_void,
    count: u64,
    next_cursor: Str,
    bytes_owner: Buf,
}
#[repr(C)]
pub struct Capacity {
    struct_size: u32,
    features: u32,
    memory_bytes: i64,
    memory_free_bytes: i64,
    cpu_millis: i64,
    containers_max: i64,
    detail: Str,
}
#[repr(C)]
pub struct Factory {
    struct_size: u32,
    reserved0: u32,
    start: extern "C" fn(*mut c_void, Op, u64, *const c_void),
    create: extern "C" fn(*mut c_void, Op, u64, *const CreateRequest),
    destroy: extern "C" fn(*mut c_void, Op, u64, Str),
    pause: extern "C" fn(*mut c_void, Op, u64, Str),
    resume: extern "C" fn(*mut c_void, Op, u64, Str),
    list: extern "C" fn(*mut c_void, Op, u64, Str, u32),
    read_logs: extern "C" fn(*mut c_void, Op, u64, Str, Str, u64),
    capacity: extern "C" fn(*mut c_void, Op, u64),
    drain: extern "C" fn(*mut c_void, Op, u64),
    stop: extern "C" fn(*mut c_void, Op, u64, i32),
    cancel: extern "C" fn(*mut c_void, Op),
}
#[repr(C)]
pub struct Entry {
    struct_size: u32,
    abi_major: u32,
    abi_minor: u32,
    reserved0: u32,
    name: *const u8,
    id: *const u8,
    version: *const u8,
    open: extern "C" fn(*const OpenArgs, *mut *mut c_void) -> i32,
    query: extern "C" fn(*mut c_void, Str) -> *const c_void,
    close: extern "C" fn(*mut c_void),
}
unsafe impl Sync for Entry {}

const OK: i32 = 0;
const NOT_FOUND: i32 = 5;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

struct Tiny {
    host: *const Host,
    names: Mutex<BTreeSet<String>>,
}

fn size<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

fn answer<T>(tiny: &Tiny, op: Op, code: i32, message: &str, result: Option<&T>) {
    let status = Status { struct_size: size::<Status>(), code, flags: 0, reserved0: 0, message: Str::of(message) };
    let pointer = result.map_or(null(), |r| r as *const T as *const c_void);
    let host = unsafe { &*tiny.host };
    (host.complete)(host.context, op, &status, pointer);
}

fn guarded(instance: *mut c_void, op: Op, call: impl FnOnce(&Tiny)) {
    let tiny = unsafe { &*(instance as *const Tiny) };
    if catch_unwind(AssertUnwindSafe(|| call(tiny))).is_err() {
        answer::<()>(tiny, op, INTERNAL, "the plugin panicked", None);
    }
}

fn info_of(name: &str) -> ContainerInfo {
    ContainerInfo {
        struct_size: size::<ContainerInfo>(),
        state: 1,
        id: Str::of(name),
        token: Str::of("tiny"),
        address: Str::of("unix:/tiny"),
        name: Str::of(name),
        labels: Pairs { data: null(), count: 0 },
    }
}

extern "C" fn start(self_: *mut c_void, op: Op, _deadline: u64, _events: *const c_void) {
    guarded(self_, op, |tiny| answer::<()>(tiny, op, OK, "", None));
}
extern "C" fn create(self_: *mut c_void, op: Op, _deadline: u64, request: *const CreateRequest) {
    guarded(self_, op, |tiny| {
        let (name, kind) = unsafe { ((*request).name.to_string(), (*request).kind.to_string()) };
        if kind == "throws" {
            panic!("as asked");
        }
        tiny.names.lock().unwrap().insert(name.clone());
        answer(tiny, op, OK, "", Some(&info_of(&name)));
    });
}
extern "C" fn destroy(self_: *mut c_void, op: Op, _deadline: u64, id: Str) {
    guarded(self_, op, |tiny| {
        let id = unsafe { id.to_string() };
        let removed = tiny.names.lock().unwrap().remove(&id);
        if removed {
            answer::<()>(tiny, op, OK, "", None);
        } else {
            answer::<()>(tiny, op, NOT_FOUND, "no such container", None);
        }
    });
}
extern "C" fn pause(self_: *mut c_void, op: Op, _deadline: u64, _id: Str) {
    guarded(self_, op, |tiny| answer::<()>(tiny, op, UNIMPLEMENTED, "tiny containers do not pause", None));
}
extern "C" fn list(self_: *mut c_void, op: Op, _deadline: u64, _cursor: Str, _limit: u32) {
    guarded(self_, op, |tiny| {
        let names = tiny.names.lock().unwrap();
        let infos: Vec<ContainerInfo> = names.iter().map(|n| info_of(n)).collect();
        let pointers: Vec<*const ContainerInfo> = infos.iter().map(|i| i as *const _).collect();
        let page = ContainerList {
            struct_size: size::<ContainerList>(),
            reserved0: 0,
            containers: pointers.as_ptr(),
            count: pointers.len() as u64,
            next_cursor: Str::EMPTY,
        };
        answer(tiny, op, OK, "", Some(&page));
    });
}
extern "C" fn read_logs(self_: *mut c_void, op: Op, _deadline: u64, _id: Str, _cursor: Str, _max: u64) {
    guarded(self_, op, |tiny| {
        let batch = LogBatch {
            struct_size: size::<LogBatch>(),
            ended: 1,
            records: null(),
            count: 0,
            next_cursor: Str::EMPTY,
            bytes_owner: Buf { data: null(), len: 0, release: null(), context: std::ptr::null_mut() },
        };
        answer(tiny, op, OK, "", Some(&batch));
    });
}
extern "C" fn capacity(self_: *mut c_void, op: Op, _deadline: u64) {
    guarded(self_, op, |tiny| {
        let capacity = Capacity {
            struct_size: size::<Capacity>(),
            features: 0,
            memory_bytes: -1,
            memory_free_bytes: -1,
            cpu_millis: -1,
            containers_max: -1,
            detail: Str::EMPTY,
        };
        answer(tiny, op, OK, "", Some(&capacity));
    });
}
extern "C" fn drain(self_: *mut c_void, op: Op, _deadline: u64) {
    guarded(self_, op, |tiny| answer::<()>(tiny, op, OK, "", None));
}
extern "C" fn stop(self_: *mut c_void, op: Op, _deadline: u64, _mode: i32) {
    guarded(self_, op, |tiny| answer::<()>(tiny, op, OK, "", None));
}
extern "C" fn cancel(_self: *mut c_void, _op: Op) {}

static TABLE: Factory = Factory {
    struct_size: std::mem::size_of::<Factory>() as u32,
    reserved0: 0,
    start,
    create,
    destroy,
    pause,
    resume: pause,
    list,
    read_logs,
    capacity,
    drain,
    stop,
    cancel,
};

extern "C" fn open(args: *const OpenArgs, instance: *mut *mut c_void) -> i32 {
    catch_unwind(|| unsafe {
        let tiny = Box::new(Tiny { host: (*args).host, names: Mutex::new(BTreeSet::new()) });
        *instance = Box::into_raw(tiny) as *mut c_void;
        OK
    })
    .unwrap_or(INTERNAL)
}
extern "C" fn query(_instance: *mut c_void, id: Str) -> *const c_void {
    if unsafe { id.to_string() } == "berth.container-factory/1" {
        &TABLE as *const Factory as *const c_void
    } else {
        null()
    }
}
extern "C" fn close(instance: *mut c_void) {
    drop(unsafe { Box::from_raw(instance as *mut Tiny) });
}

const JSON: &[u8] = br#"{"name":"tiny-rust","id":"org.example.tiny","version":"1.0.0","abi":"1.0","provides":["berth.container-factory/1"],"needs":[],"flags":[],"config_schema":{"type":"object"}}"#;
const PADDED: usize = (JSON.len() + 3) / 4 * 4;

const fn padded() -> [u8; PADDED] {
    let mut payload = [0u8; PADDED];
    let mut i = 0;
    while i < JSON.len() {
        payload[i] = JSON[i];
        i += 1;
    }
    payload
}

#[repr(C, align(4))]
pub struct Note {
    owner_size: u32,
    payload_size: u32,
    kind: u32,
    owner: [u8; 8],
    payload: [u8; PADDED],
}

#[used]
#[link_section = ".note.berth"]
static NOTE: Note = Note {
    owner_size: 6,
    payload_size: JSON.len() as u32,
    kind: 0x42525448,
    owner: *b"Berth\0\0\0",
    payload: padded(),
};

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static berth_plugin_entry: Entry = Entry {
    struct_size: std::mem::size_of::<Entry>() as u32,
    abi_major: 1,
    abi_minor: 0,
    reserved0: 0,
    name: b"tiny-rust\0" as *const u8,
    id: b"org.example.tiny\0" as *const u8,
    version: b"1.0.0\0" as *const u8,
    open,
    query,
    close,
};
