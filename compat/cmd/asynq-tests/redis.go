package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is the private Redis server of one job.
type redisServer struct {
	cmd    *exec.Cmd
	client *redis.Client
	addr   string
}

func startRedis(ctx context.Context, binary, work string) (*redisServer, error) {
	dir, err := os.MkdirTemp(work, "redis.")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &redisServer{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	r.cmd = exec.Command(binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--dir", dir, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.client = redis.NewClient(&redis.Options{Addr: r.addr, DisableIdentity: true})
	deadline := time.Now().Add(20 * time.Second)
	for r.client.Ping(ctx).Err() != nil {
		if ctx.Err() != nil || time.Now().After(deadline) {
			r.stop()
			return nil, fmt.Errorf("%s does not answer", binary)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return r, nil
}

func (r *redisServer) stop() {
	_ = r.client.Close()
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
