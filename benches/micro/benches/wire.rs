//! The private module `wire`: encoding of messages, keys, the formats of Go. The benchmark compiles the
//! module again, because it cannot reach it in the library.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../../../src/wire/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the benchmark uses only a part of the module"
)]
mod wire;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wire::go_duration::GoDuration;
use wire::{QueueKeys, TaskMessage};

fn message(payload: usize) -> TaskMessage {
    TaskMessage {
        r#type: "email:welcome".to_owned(),
        payload: vec![b'x'; payload].into(),
        id: "b71f64a1-75f4-4f1c-8a52-b6ef7d8c4b7d".to_owned(),
        queue: "default".to_owned(),
        retry: 25,
        timeout: 1800,
        ..TaskMessage::default()
    }
}

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("message");
    for payload in [0, 100, 10_000] {
        let message = message(payload);
        let raw = wire::encode(&message);
        group.bench_function(BenchmarkId::new("encode", payload), |b| {
            b.iter(|| wire::encode(black_box(&message)));
        });
        group.bench_function(BenchmarkId::new("decode", payload), |b| {
            b.iter(|| wire::decode_task(black_box(&raw).clone()));
        });
    }
    group.finish();
}

fn keys(c: &mut Criterion) {
    c.bench_function("keys: all of a queue", |b| {
        b.iter(|| QueueKeys::new(black_box("default")));
    });
    let queue = QueueKeys::new("default");
    c.bench_function("keys: one of a queue, and the prefix of its tasks", |b| {
        b.iter(|| (black_box(&queue).pending().len(), queue.task_prefix().len()));
    });
    let payload = Bytes::from(vec![b'x'; 100]);
    c.bench_function("keys: a unique lock", |b| {
        b.iter(|| queue.unique("email:welcome", Some(black_box(&payload))));
    });
}

fn go_formats(c: &mut Criterion) {
    c.bench_function("Go format: print a duration", |b| {
        let duration = GoDuration::from_nanos(black_box(5_400_000_000_001));
        b.iter(|| duration.to_string());
    });
    c.bench_function("Go format: parse a duration", |b| {
        b.iter(|| black_box("1h30m0.000000001s").parse::<GoDuration>());
    });
}

criterion_group!(benches, messages, keys, go_formats);
criterion_main!(benches);
