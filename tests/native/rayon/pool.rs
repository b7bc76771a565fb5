//! Rayon's pool for Python scripts: pool(bytes) has four workers, ray-0 to ray-3, hold bytes + their number each, by the system's
//! allocator; the first call starts them, later ones find them.
use std::sync::{Mutex, OnceLock};

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();

#[inline(never)]
fn work(bytes: usize) {
    let held = vec![1u8; bytes];
    KEPT.lock().unwrap().push(held);
}

fn start() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(4).thread_name(|number| format!("ray-{}", number)).build().unwrap()
}

#[no_mangle]
pub extern "C" fn pool(bytes: usize) {
    KEPT.lock().unwrap().reserve(64);
    POOL.get_or_init(start).broadcast(|worker| work(bytes + worker.index()));
}
