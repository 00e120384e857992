package main

import (
	"fmt"

	"rasynq/compat/internal/scenario"
)

// stepProxy disturbs the connections of a proxied role.
func (r *run) stepProxy(_ *scenario.Scope, f fields) error {
	p, ok := r.proxies[f.text("proxy")]
	if !ok {
		return fmt.Errorf("role %q is not proxied", f.text("proxy"))
	}
	if f.flag("clear") {
		p.clearRules()
	}
	if mode := f.text("mode"); mode != "" {
		if err := p.setMode(mode); err != nil {
			return err
		}
	}
	if f.has("rule") {
		rule, err := proxyRuleOf(fields{f.object("rule")})
		if err != nil {
			return err
		}
		p.addRule(rule)
	}
	if f.has("await_fired") {
		within, err := f.duration("within", eventTime)
		if err != nil {
			return err
		}
		return p.awaitFired(f.count("await_fired", 1), within)
	}
	return nil
}

func proxyRuleOf(f fields) (*proxyRule, error) {
	rule := &proxyRule{
		request: f.bytes("request"), notRequest: f.bytes("not_request"), reply: f.bytes("reply"),
		action: f.text("action"), text: f.text("error"), times: f.count("times", 1),
	}
	var err error
	if rule.delay, err = f.duration("delay", 0); err != nil {
		return nil, err
	}
	onReply := false
	switch rule.action {
	case "drop_reply", "delay_reply":
		onReply = true
	case "drop_request", "delay":
	case "error":
		if rule.text == "" {
			rule.text = "ERR injected by the proxy"
		}
	default:
		return nil, fmt.Errorf("a proxy has no action %q", rule.action)
	}
	if len(rule.reply) > 0 && !onReply {
		return nil, fmt.Errorf("the action %q does not look at the reply", rule.action)
	}
	return rule, nil
}
