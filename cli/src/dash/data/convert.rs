//! What the library returns becomes rows of the dashboard.

use rasynq::{
    EnqueueEvent, GroupInfo, QueueInfo, SchedulerEntryInfo, SchedulerInfo, ServerInfo, TaskDetails,
    TaskInfo, WorkerInfo,
};

use crate::dash::model::rows::{
    EntryRow, GroupRow, LockFacts, ProgressFacts, QueueRow, SchedulerRow, ServerRow, TaskFacts,
    TaskRow, TickRow, WorkerRow,
};

pub(super) fn queue(info: QueueInfo) -> QueueRow {
    QueueRow {
        // in the order of `STATES`
        sizes: [
            info.pending,
            info.active,
            info.scheduled,
            info.retry,
            info.archived,
            info.completed,
            info.aggregating,
        ],
        name: info.queue,
        is_estimate: info.aggregating_is_estimate,
        orphaned: info.orphaned,
        groups: info.groups,
        processed_today: info.processed,
        failed_today: info.failed,
        processed_total: info.processed_total,
        failed_total: info.failed_total,
        paused_since: info.paused_since,
        latency: info.latency,
        read_at: info.read_at,
    }
}

pub(super) fn task(info: TaskInfo) -> TaskRow {
    TaskRow {
        id: info.id,
        queue: info.queue,
        task_type: info.task_type,
        payload: info.payload,
        state: info.state,
        retried: info.retried,
        max_retry: info.max_retry,
        last_error: info.last_error,
        last_failed_at: info.last_failed_at,
        next_process_at: info.next_process_at,
        completed_at: info.completed_at,
        group: info.group,
        is_orphaned: info.is_orphaned,
        is_undecodable: info.is_undecodable,
        result: info.result,
    }
}

pub(super) fn facts(details: TaskDetails) -> TaskFacts {
    let info = details.info;
    TaskFacts {
        decode_error: details.decode_error,
        pending_since: details.pending_since,
        timeout: info.timeout,
        deadline: info.deadline,
        retention: info.retention,
        kept_until: details.kept_until,
        archived_at: details.archived_at,
        headers: info.headers.clone().into_iter().collect(),
        lease_expires_at: details.lease_expires_at,
        owner: details.owner,
        lock: details.lock.map(|lock| LockFacts {
            key: lock.key,
            holder: lock.holder,
            is_held_by_task: lock.is_held_by_task,
            expires_at: lock.expires_at,
        }),
        progress: details.progress.map(|progress| ProgressFacts {
            done: progress.done(),
            total: progress.total(),
            message: progress.text().unwrap_or_default().to_owned(),
        }),
        row: task(info),
    }
}

pub(super) fn group(info: GroupInfo) -> GroupRow {
    GroupRow {
        name: info.group,
        size: info.size,
    }
}

pub(super) fn server(info: ServerInfo) -> ServerRow {
    ServerRow {
        id: info.id,
        host: info.host,
        pid: info.pid,
        concurrency: info.concurrency,
        queues: info.queues.into_iter().collect(),
        is_strict: info.strict_priority,
        started_at: info.started_at,
        status: info.status,
        workers: info.active_workers.into_iter().map(worker).collect(),
    }
}

fn worker(info: WorkerInfo) -> WorkerRow {
    WorkerRow {
        task_id: info.task_id,
        task_type: info.task_type,
        queue: info.queue,
        payload: info.payload,
        started_at: info.started_at,
        deadline: info.deadline,
    }
}

pub(super) fn scheduler(info: SchedulerInfo) -> SchedulerRow {
    SchedulerRow {
        host: info.host,
        pid: info.pid,
        is_leader: info.is_leader,
        entries: info.entries as u64,
    }
}

pub(super) fn entry(info: SchedulerEntryInfo) -> EntryRow {
    EntryRow {
        id: info.id,
        spec: info.spec,
        task_type: info.task_type,
        payload: info.payload,
        options: info.options,
        next: info.next,
        previous: info.previous,
    }
}

pub(super) fn tick(event: EnqueueEvent) -> TickRow {
    TickRow {
        task_id: event.task_id,
        enqueued_at: event.enqueued_at,
    }
}
