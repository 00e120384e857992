//! rasynq
