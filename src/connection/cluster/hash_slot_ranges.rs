//! The reply to `CLUSTER SLOTS`: which master serves which hash slots. No I/O.

use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::types::Value;

use super::super::Host;

/// How many hash slots a cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// Hash slots in a row with the same master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HashSlotRange<N> {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) master: N,
}

/// The ranges in the reply, in the order of their hash slots. `from` is the address by which the answering node was
/// reached. It stands in for the parts of an address that a node does not know of itself.
pub(super) fn parse(reply: Value, from: &Host) -> Result<Vec<HashSlotRange<Host>>, FredError> {
    let Value::Array(entries) = reply else {
        return Err(malformed());
    };
    let ranges: Option<Vec<_>> = entries
        .into_iter()
        .map(|entry| range(entry, from))
        .collect();
    let mut ranges = ranges.ok_or_else(malformed)?;
    ranges.sort_unstable_by_key(|range| range.first);
    match ranges.is_empty() {
        true => Err(FredError::new(
            FredKind::Cluster,
            "CLUSTERDOWN no node of the cluster serves any hash slot",
        )),
        false => Ok(ranges),
    }
}

/// The master of a hash slot. `ranges` are in the order of their hash slots.
pub(super) fn master<N>(ranges: &[HashSlotRange<N>], slot: u16) -> Option<&N> {
    let at = ranges.partition_point(|range| range.last < slot);
    let range = ranges.get(at).filter(|range| range.first <= slot)?;
    Some(&range.master)
}

/// Whether every hash slot has a master.
pub(super) fn cover_all<N>(ranges: &[HashSlotRange<N>]) -> bool {
    let mut next = 0;
    ranges.iter().all(|range| {
        let follows = range.first <= next;
        next = next.max(range.last.saturating_add(1));
        follows
    }) && next >= SLOTS
}

fn range(entry: Value, from: &Host) -> Option<HashSlotRange<Host>> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let mut parts = entry.into_iter();
    let first = slot(&parts.next()?)?;
    let last = slot(&parts.next()?)?;
    // The first node is the master, the others are its replicas.
    let master = node(parts.next()?, from)?;
    Some(HashSlotRange {
        first,
        last,
        master,
    })
}

fn slot(value: &Value) -> Option<u16> {
    let slot = u16::try_from(value.as_i64()?).ok()?;
    (slot < SLOTS).then_some(slot)
}

/// `[host, port, id, metadata]`. The host is an address, a name, or empty, null or `?` if the node does not
/// know it. The metadata, since Redis 7, are pairs of name and value.
fn node(value: Value, from: &Host) -> Option<Host> {
    let Value::Array(mut parts) = value else {
        return None;
    };
    let hostname = parts.get(3).and_then(|data| metadata(data, "hostname"));
    let ip = parts.get(3).and_then(|data| metadata(data, "ip"));
    let port = u16::try_from(parts.get(1)?.as_i64()?).ok()?;
    let announced = match parts.swap_remove(0) {
        Value::Null => None,
        host => known(host.into_string()?),
    };
    let is_name = |host: &String| host.parse::<std::net::IpAddr>().is_err();
    let name = announced
        .clone()
        .filter(is_name)
        .or(hostname)
        .or(announced)
        .or(ip)
        .unwrap_or_else(|| from.name.clone());
    let port = if port == 0 { from.port } else { port };
    Some(Host::new(name, port))
}

/// A host, if the node knows it.
fn known(host: String) -> Option<String> {
    (!host.is_empty() && host != "?").then_some(host)
}

/// The value of this name in a flat list of names and values, or in a map.
fn metadata(data: &Value, name: &str) -> Option<String> {
    let value = match data {
        Value::Array(words) => {
            let at = words.iter().position(|word| is_text(word, name))?;
            words.get(at + 1)?.as_string()
        }
        Value::Map(map) => map.get(&name.into())?.as_string(),
        _ => None,
    };
    known(value?)
}

fn is_text(value: &Value, text: &str) -> bool {
    value.as_str().is_some_and(|value| &*value == text)
}

fn malformed() -> FredError {
    FredError::new(FredKind::Protocol, "malformed reply to CLUSTER SLOTS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: i64, last: i64, node: Vec<Value>) -> Value {
        Value::Array(vec![first.into(), last.into(), Value::Array(node)])
    }

    fn parsed(entries: Vec<Value>) -> Vec<HashSlotRange<Host>> {
        parse(Value::Array(entries), &Host::new("seed", 7000)).expect("well formed")
    }

    fn host_of(node: Vec<Value>) -> Host {
        parsed(vec![entry(0, 16_383, node)]).remove(0).master
    }

    #[test]
    fn a_slot_belongs_to_the_master_of_its_range() {
        let node = |port: i64| vec!["10.0.0.1".into(), port.into(), "id".into()];
        let ranges = parsed(vec![
            entry(8_000, 16_383, node(2)),
            entry(0, 99, node(1)),
            entry(101, 7_999, node(3)),
        ]);
        let port = |slot| master(&ranges, slot).map(|host| host.port);
        assert_eq!(port(0), Some(1));
        assert_eq!(port(99), Some(1));
        assert_eq!(port(100), None);
        assert_eq!(port(101), Some(3));
        assert_eq!(port(8_000), Some(2));
        assert_eq!(port(16_383), Some(2));
        assert!(!cover_all(&ranges));
        assert!(!cover_all(&ranges[..2]));
        assert!(cover_all(&parsed(vec![
            entry(0, 99, node(1)),
            entry(100, 16_383, node(2)),
        ])));
    }

    #[test]
    fn an_address_that_a_node_does_not_know_is_that_by_which_it_was_reached() {
        for unknown in [Value::Null, "".into(), "?".into()] {
            let node = vec![unknown.clone(), 7001.into(), "id".into()];
            assert_eq!(host_of(node), Host::new("seed", 7001), "{unknown:?}");
        }
        let node = vec![Value::Null, 0.into(), "id".into()];
        assert_eq!(host_of(node), Host::new("seed", 7000));
    }

    #[test]
    fn a_host_name_is_preferred_to_an_address() {
        let with = |host: Value, words: &[&'static str]| {
            let metadata = words.iter().map(|word| Value::from(*word)).collect();
            let metadata = Value::Array(metadata);
            host_of(vec![host, 7001.into(), "id".into(), metadata]).name
        };
        assert_eq!(with("10.0.0.1".into(), &[]), "10.0.0.1");
        assert_eq!(
            with("10.0.0.1".into(), &["hostname", "a.example"]),
            "a.example"
        );
        assert_eq!(with("10.0.0.1".into(), &["hostname", ""]), "10.0.0.1");
        assert_eq!(with("a.example".into(), &["ip", "10.0.0.1"]), "a.example");
        assert_eq!(with("?".into(), &["ip", "10.0.0.1"]), "10.0.0.1");
        assert_eq!(with(Value::Null, &["hostname", "a.example"]), "a.example");
    }

    #[test]
    fn a_reply_without_slots_or_of_another_shape_is_refused() {
        for reply in [
            Value::Array(vec![]),
            Value::Null,
            Value::Array(vec![Value::Null]),
            Value::Array(vec![entry(0, 99_999, vec!["a".into(), 1.into()])]),
            Value::Array(vec![entry(0, 1, vec!["a".into()])]),
        ] {
            parse(reply.clone(), &Host::new("seed", 7000)).expect_err(&format!("{reply:?}"));
        }
    }
}
