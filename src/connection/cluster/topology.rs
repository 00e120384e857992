//! What is known of a cluster: its nodes, and which of them serves which hash slots.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::Host;
use super::super::settings::Settings;
use super::hash_slot_ranges::{self, HashSlotRange};
use super::node::Node;

/// The nodes and their hash slots, as the last reading of the map and the redirections since then tell.
#[derive(Default)]
pub(super) struct Topology {
    /// The masters that have hash slots, and nodes that a redirection has named lately.
    nodes: Vec<Arc<Node>>,
    ranges: Vec<HashSlotRange<Arc<Node>>>,
    /// Hash slots that have another master than `ranges` say, or none.
    moved: HashMap<u16, Option<Arc<Node>>>,
    is_closed: bool,
}

impl Topology {
    /// The same with other connections.
    pub(super) fn separate(&self, settings: &Settings) -> Self {
        let mut others = Self::default();
        let again = |node: &Arc<Node>| Arc::new(node.again(settings));
        others.nodes = self.nodes.iter().map(again).collect();
        let other = |node: &Arc<Node>| {
            let at = self.nodes.iter().position(|known| Arc::ptr_eq(known, node));
            at.map(|at| Arc::clone(&others.nodes[at]))
        };
        let ranges = self.ranges.iter().filter_map(|range| {
            Some(HashSlotRange {
                first: range.first,
                last: range.last,
                master: other(&range.master)?,
            })
        });
        others.ranges = ranges.collect();
        others
    }

    /// The node that serves a hash slot.
    pub(super) fn master(&self, slot: u16) -> Option<Arc<Node>> {
        if let Some(master) = self.moved.get(&slot) {
            return master.clone();
        }
        hash_slot_ranges::master(&self.ranges, slot).cloned()
    }

    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The node that a redirection of `from` names. `None`: the connections are closed.
    pub(super) fn redirected(
        &mut self,
        to: Host,
        from: &Node,
        settings: &Settings,
    ) -> Option<Arc<Node>> {
        if self.is_closed {
            return None;
        }
        let node = self.node_at(to, from, settings);
        node.named();
        Some(node)
    }

    /// From now on no node is added. Returns all nodes.
    pub(super) fn close(&mut self) -> Vec<Arc<Node>> {
        self.is_closed = true;
        self.nodes.clone()
    }

    /// The node at this address. A new one is added: `from` has reported it.
    fn node_at(&mut self, host: Host, from: &Node, settings: &Settings) -> Arc<Node> {
        if let Some(node) = self.nodes.iter().find(|node| *node.host() == host) {
            return Arc::clone(node);
        }
        let node = Arc::new(from.other(host, settings));
        self.nodes.push(Arc::clone(&node));
        node
    }

    /// A hash slot has another master now, or none.
    pub(super) fn set_master(&mut self, slot: u16, master: Option<Arc<Node>>) {
        self.moved.insert(slot, master);
    }

    /// Takes the map that the node `from` has replied. Nodes that it does not name are dropped. Returns whether a
    /// hash slot has another master than in the last map.
    pub(super) fn set_ranges(
        &mut self,
        ranges: Vec<HashSlotRange<Host>>,
        from: &Arc<Node>,
        settings: &Settings,
    ) -> bool {
        if self.is_closed {
            return false;
        }
        let is_known = self.nodes.iter().any(|node| node.host() == from.host());
        if !is_known {
            self.nodes.push(Arc::clone(from));
        }
        let mut masters: Vec<Arc<Node>> = Vec::new();
        let mut known = Vec::with_capacity(ranges.len());
        for HashSlotRange {
            first,
            last,
            master,
        } in ranges
        {
            let master = self.node_at(master, from, settings);
            if !masters.iter().any(|node| Arc::ptr_eq(node, &master)) {
                masters.push(Arc::clone(&master));
            }
            known.push(HashSlotRange {
                first,
                last,
                master,
            });
        }
        let is_same = |(old, new): (&HashSlotRange<Arc<Node>>, &HashSlotRange<Arc<Node>>)| {
            (old.first, old.last) == (new.first, new.last) && Arc::ptr_eq(&old.master, &new.master)
        };
        let has_changed =
            self.ranges.len() != known.len() || !self.ranges.iter().zip(&known).all(is_same);
        self.ranges = known;
        self.moved.clear();
        self.nodes.retain(|node| {
            node.was_named_lately() || masters.iter().any(|master| Arc::ptr_eq(master, node))
        });
        // A command without a key goes to the first node that answers: always to the same one.
        self.nodes
            .sort_by(|a, b| (&a.host().name, a.host().port).cmp(&(&b.host().name, b.host().port)));
        has_changed
    }

    /// Whether every hash slot has a master that answers, as far as is known.
    pub(super) fn is_complete(&self) -> bool {
        self.moved.is_empty()
            && hash_slot_ranges::cover_all(&self.ranges)
            && self
                .nodes
                .iter()
                .all(|node| node.is_open() && !node.is_down())
    }
}
