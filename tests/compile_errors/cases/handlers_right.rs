use std::future::Future;

use rasynq::{Answer, Protobuf, Task, TaskContext, TaskKind, debug_handler};
use serde::{Deserialize, Serialize};

type Mail = Welcome;

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:welcome", queue = "critical", max_retry = 5, timeout = "30s", unique = "10m", retention = "1h")]
pub struct Welcome {
    pub user_id: u64,
}

#[derive(Clone, PartialEq, prost::Message, TaskKind)]
#[task(type = "image:resize", codec = Protobuf)]
pub struct Resize {
    #[prost(uint64, tag = "1")]
    pub width: u64,
}

#[derive(Serialize, TaskKind)]
#[task(type = "greet")]
pub struct Greeting<'a, T: Serialize> {
    pub to: &'a str,
    pub with: T,
}

#[debug_handler]
pub async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    tell(cx.task_id(), mail.user_id).await
}

#[debug_handler]
pub async fn aliased(_: TaskContext, Welcome { .. }: Mail) -> Result<Answer, std::io::Error> {
    Ok(Answer::Done)
}

#[rasynq::debug_handler]
pub async fn untyped(_cx: rasynq::TaskContext, _task: rasynq::Task) -> rasynq::Result<()> {
    Ok(())
}

#[debug_handler]
pub async fn protobuf(_cx: TaskContext, _: Resize) -> anyhow::Result<()> {
    Ok(())
}

#[debug_handler]
pub fn returns_a_future(_: TaskContext, _: Task) -> impl Future<Output = anyhow::Result<()>> {
    async { Ok(()) }
}

async fn tell(_: &str, _: u64) -> anyhow::Result<()> {
    Ok(())
}

type T = rasynq::Task;
type Cx = rasynq::TaskContext;

#[debug_handler]
pub async fn under_other_names(_: Cx, _: T) -> anyhow::Result<()> {
    Ok(())
}

/// Types of the program's own may have the names of rasynq's.
pub mod own {
    use rasynq::{Protobuf, TaskKind, debug_handler};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, TaskKind)]
    #[task(type = "own:task")]
    pub struct Task;

    #[derive(Serialize, Deserialize, TaskKind)]
    #[task(type = "own:context")]
    pub struct TaskContext;

    pub mod protobuf {
        #[derive(Clone, PartialEq, prost::Message, rasynq::TaskKind)]
        #[task(type = "own:protobuf", codec = super::Protobuf)]
        pub struct Task {}
    }

    #[debug_handler]
    pub async fn task(_: super::Cx, _: Task) -> anyhow::Result<()> {
        Ok(())
    }

    #[debug_handler]
    pub async fn protobuf_task(_: super::Cx, _: protobuf::Task) -> anyhow::Result<()> {
        Ok(())
    }

    #[debug_handler]
    pub async fn context(_: super::Cx, _: TaskContext) -> anyhow::Result<()> {
        Ok(())
    }

    #[debug_handler]
    pub async fn both(_: rasynq::TaskContext, _: TaskContext) -> anyhow::Result<()> {
        Ok(())
    }
}
