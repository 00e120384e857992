// The shims are compiled as parts of asynq's packages. As a module of its own, this
// folder is left alone by commands such as `go vet ./...` in compat/.
module rasynq/compat/asynq-tests/shim

go 1.24.0
