//! A queue without damage, which tests then damage.

use rasynq::{DamageKind, Inspector, Repair, Task};

use crate::common::{HOUR, TaskMessage, World, key};

pub struct Damaged {
    pub world: World,
    pub inspector: Inspector,
}

/// What an examination finds: kind, key and member, sorted.
pub type Found = Vec<(DamageKind, String, Option<String>)>;

impl Damaged {
    /// A queue without damage that has tasks in all states, groups, a lease and locks.
    pub async fn new() -> Self {
        let world = World::new().await;
        let client = world.client().await;
        let task = |id: &str| Task::new("any", id.to_owned()).task_id(id.to_owned());
        client.enqueue(task("healthy")).unique(HOUR).await.unwrap();
        client
            .enqueue(task("later"))
            .process_in(HOUR)
            .await
            .unwrap();
        client
            .enqueue(task("waiting"))
            .group("healthy")
            .unique(HOUR)
            .await
            .unwrap();
        client
            .enqueue(task("taken"))
            .group("healthy")
            .await
            .unwrap();
        let _: i64 = world.run(&["ZREM", &key("g:healthy"), "taken"]).await;
        let set = key("g:healthy:7f5c");
        let _: i64 = world.run(&["ZADD", &set, "1", "taken"]).await;
        let later = (world.now().await + 600).to_string();
        let _: i64 = world
            .run(&["ZADD", &key("aggregation_sets"), &later, &set])
            .await;
        for state in ["retry", "archived", "completed"] {
            let message = TaskMessage::of(state, "").bytes();
            world.store("default", state, state, message).await;
            let _: i64 = world.run(&["ZADD", &key(state), &later, state]).await;
        }
        world
            .store_lost(
                "default",
                "active",
                TaskMessage::of("active", "").bytes(),
                -600,
            )
            .await;
        let inspector = world.inspector().await;
        let damaged = Self { world, inspector };
        assert_eq!(damaged.found().await, []);
        damaged
    }

    pub async fn found(&self) -> Found {
        let mut found = Vec::new();
        let mut examination = self.inspector.examine("default");
        while let Some(damage) = examination.next().await {
            let damage = damage.unwrap();
            assert_eq!(damage.queue.as_deref(), Some("default"));
            found.push((damage.kind, damage.key, damage.member));
        }
        found.sort();
        found
    }

    /// Writes a task that is in no list and no set.
    pub async fn store(&self, id: &str, state: &str) {
        self.world
            .store("default", id, state, TaskMessage::of(id, "payload").bytes())
            .await;
    }

    /// Asserts that exactly this damage is found, and repairs it. Then nothing is left.
    pub async fn repaired(&self, kind: DamageKind, key: &str, member: Option<&str>) {
        let expected = (kind, key.to_owned(), member.map(str::to_owned));
        assert_eq!(self.found().await, [expected]);
        let mut examination = self.inspector.examine("default");
        let damage = examination.next().await.unwrap().unwrap();
        assert!(
            damage.to_string().starts_with(&format!("{kind}: {key}: ")),
            "{damage}"
        );
        assert_eq!(
            self.inspector.repair(&damage).await.unwrap(),
            Repair::Repaired
        );
        assert_eq!(self.found().await, []);
        assert_eq!(self.inspector.repair(&damage).await.unwrap(), Repair::Gone);
        self.world.assert_consistent().await;
    }

    /// Repairs all that one examination finds. Returns how much that was. Then nothing is left.
    pub async fn repaired_in_one_pass(&self) -> usize {
        let mut repaired = 0;
        let mut examination = self.inspector.examine("default");
        while let Some(damage) = examination.next().await {
            let damage = damage.unwrap();
            let repair = self.inspector.repair(&damage).await.unwrap();
            assert_eq!(repair, Repair::Repaired, "{damage}");
            repaired += 1;
        }
        assert_eq!(self.found().await, []);
        repaired
    }

    pub async fn run(&self, words: &[&str]) {
        self.world.try_run(words).await.unwrap();
    }

    /// In which lists and sets a task is.
    pub async fn places(&self, id: &str) -> Vec<String> {
        let mut places = Vec::new();
        for place in ["pending", "active"] {
            let found: Option<i64> = self.world.run(&["LPOS", &key(place), id]).await;
            places.extend(found.map(|_| place.to_owned()));
        }
        for place in ["scheduled", "retry", "archived", "completed", "g:group"] {
            let found: Option<String> = self.world.run(&["ZSCORE", &key(place), id]).await;
            places.extend(found.map(|_| place.to_owned()));
        }
        places
    }
}
