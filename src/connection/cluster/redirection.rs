//! The answers with which a node of a cluster refuses a command because of its hash slot. No I/O.

use super::super::Host;

/// No node serves the hash slot, but those of others are served.
const NOT_SERVED: &str = "slot not served";

/// Why a node has not run a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HashSlotRefusal {
    /// Another node serves the hash slot.
    Moved { slot: u16, to: Host },
    /// The hash slot is on its way to another node, which has the keys of this command already, or is to create
    /// them. The next command for the hash slot may stay here.
    Ask { to: Host },
    /// The hash slot is on its way to another node, and neither node has all keys of this command.
    Moving,
    /// No node serves the hash slot.
    NotServed,
}

impl HashSlotRefusal {
    /// `None`: the error is something else. `from` is the node that answered: a redirection without a host
    /// means the same host with another port.
    pub(super) fn parse(error: &str, from: &Host) -> Option<Self> {
        let mut words = error.split_whitespace();
        let code = words.next()?;
        match code {
            "MOVED" | "ASK" => {
                let slot = words.next()?.parse().ok()?;
                let to = host(words.next()?, from)?;
                Some(match code {
                    "MOVED" => Self::Moved { slot, to },
                    _ => Self::Ask { to },
                })
            }
            "TRYAGAIN" => Some(Self::Moving),
            "CLUSTERDOWN" if error.contains(NOT_SERVED) => Some(Self::NotServed),
            _ => None,
        }
    }
}

/// Whether a node refuses every command with a key, because its cluster is down.
pub(super) fn says_cluster_is_down(error: &str) -> bool {
    error.starts_with("CLUSTERDOWN") && !error.contains(NOT_SERVED)
}

/// `host:port`, where the host may be an IPv6 address without brackets, empty or unknown.
fn host(text: &str, from: &Host) -> Option<Host> {
    let (name, port) = text.rsplit_once(':')?;
    let name = match name {
        "" | "?" => &from.name,
        name => name,
    };
    Some(Host::new(name, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_names_the_slot_and_the_node() {
        let from = Host::new("here", 7000);
        let moved = |name: &str, port| {
            let (slot, to) = (3999, Host::new(name, port));
            Some(HashSlotRefusal::Moved { slot, to })
        };
        for (answer, expected) in [
            ("MOVED 3999 127.0.0.1:6381", moved("127.0.0.1", 6381)),
            (
                "MOVED 3999 redis-2.internal:6381",
                moved("redis-2.internal", 6381),
            ),
            ("MOVED 3999 2001:db8::1:6381", moved("2001:db8::1", 6381)),
            ("MOVED 3999 :6381", moved("here", 6381)),
            ("MOVED 3999 ?:6381", moved("here", 6381)),
            ("MOVED 3999", None),
            ("MOVED 3999 nowhere", None),
            (
                "ASK 3999 127.0.0.1:6381",
                Some(HashSlotRefusal::Ask {
                    to: Host::new("127.0.0.1", 6381),
                }),
            ),
            (
                "CLUSTERDOWN Hash slot not served",
                Some(HashSlotRefusal::NotServed),
            ),
            ("CLUSTERDOWN The cluster is down", None),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Some(HashSlotRefusal::Moving),
            ),
            ("ERR no", None),
        ] {
            assert_eq!(HashSlotRefusal::parse(answer, &from), expected, "{answer}");
        }
    }
}
