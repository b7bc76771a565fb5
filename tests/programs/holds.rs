//! holds together|in_turn: vectors, boxes, strings and a map from four named threads, all gone at the end but one block of
//! 3,000,017 bytes.
use std::collections::HashMap;
use std::thread::{Builder, JoinHandle};

#[repr(align(64))]
struct Aligned([u8; 640]);

fn work(number: usize) -> usize {
    let mut vectors: Vec<Vec<u8>> = Vec::new();
    for i in 0..1000 {
        vectors.push(vec![number as u8; 100 + i]);
    }
    let zeroed = vec![0u64; 5000];
    let aligned: Vec<Box<Aligned>> = (0..100).map(|_| Box::new(Aligned([1; 640]))).collect();
    let mut map: HashMap<String, usize> = HashMap::with_capacity(500);
    for i in 0..500 {
        map.insert(format!("key {}", i), i);
    }
    let bytes: usize = vectors.iter().map(|v| v.len()).sum();
    bytes + zeroed.len() + aligned.len() + aligned[3].0.len() + map["key 7"]
}

fn start(number: usize) -> JoinHandle<usize> {
    Builder::new().name(format!("worker-{}", number)).spawn(move || work(number)).unwrap()
}

fn main() {
    let in_turn = std::env::args().nth(1).unwrap() == "in_turn";
    let total: usize = if in_turn {
        (0..4).map(|number| start(number).join().unwrap()).sum()
    } else {
        let threads: Vec<_> = (0..4).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    };
    let kept: &'static mut Vec<u8> = Box::leak(Box::new(vec![7u8; 3_000_017]));
    println!("{} {}", total, kept[total % 1000]);
}
