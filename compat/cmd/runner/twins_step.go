package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"rasynq/compat/internal/scenario"
	"rasynq/compat/internal/twins"
)

// stepTwins compares the inspectors of two roles, whose peers have different databases
// of the Redis server.
func (r *run) stepTwins(scope *scenario.Scope, f fields) error {
	roles := f.texts("twins")
	if len(roles) != 2 {
		return fmt.Errorf("twins needs two roles")
	}
	var sides [2]*twins.Side
	for db, role := range roles {
		if uri, err := r.uriOf(scope, role); err != nil || !strings.HasSuffix(uri, fmt.Sprintf("?db=%d", db)) {
			return fmt.Errorf("the role %q needs the address of database %d, not %s (%v)", role, db, uri, err)
		}
		p, err := r.peer(scope, role)
		if err != nil {
			return err
		}
		client := r.redis.connect(db)
		defer client.Close()
		sides[db] = &twins.Side{Impl: r.assign[role], Ask: inspector(p), Redis: client, DB: db}
	}
	o := twins.Options{Seed: uint64(f.count("seed", 1)), Tasks: f.count("tasks", 1000), Changes: f.count("changes", 150)}
	if r.suite.seed != 0 {
		o.Seed = r.suite.seed
	}
	result, err := twins.Compare(r.ctx, sides[0], sides[1], o)
	if err != nil {
		return err
	}
	r.suite.print(fmt.Sprintf("      %s  seed %d: %d answers and %d changes compared", r, o.Seed, result.Answers, result.Changes))
	return nil
}

// inspector asks the inspector of a peer.
func inspector(p *peer) twins.Peer {
	return func(ctx context.Context, call map[string]any) (any, error) {
		answers, err := p.call("inspect", call)
		if err != nil {
			return nil, err
		}
		v, err := wait(ctx, answers, callTime)
		var refused *peerError
		if errors.As(err, &refused) {
			return nil, &twins.Refusal{Kind: refused.Kind, Msg: refused.Msg}
		}
		return v, err
	}
}
