use rasynq::{Mux, Task, TaskContext};

pub async fn wrong(_task: Task, _cx: TaskContext) -> anyhow::Result<()> {
    Ok(())
}

pub fn mux() -> Mux {
    Mux::new().route("any", wrong) //~ is not a handler
}
