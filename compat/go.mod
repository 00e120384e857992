module rasynq/compat

go 1.24.0

require (
	github.com/hibiken/asynq v0.26.0
	github.com/hibiken/asynqmon v0.7.2
	github.com/redis/go-redis/v9 v9.14.1
	google.golang.org/protobuf v1.36.10
)

require github.com/robfig/cron/v3 v3.0.1 // indirect
