package e2e_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

func secretText() string { return "text-" + rand.Text() }

func mediaURL() string { return "https://media.example.com/photo.jpg?signature=" + rand.Text() }

// private is what no log, metric, page or error may show.
type private struct {
	mu     sync.Mutex
	values map[string]string // what it is, by value
}

func (p *private) add(what, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = map[string]string{}
	}
	if value != "" {
		p.values[value] = what
	}
}

// addMessage adds everything private in a message.
func (p *private) addMessage(m message) {
	for _, name := range []string{"text", "subject", "fallbackText"} {
		p.add(name, asText(m[name]))
	}
	if to := asText(m["to"]); len(to) > 1 {
		p.add("number", strings.TrimPrefix(to, "+1"))
	}
	p.add("media query", query(asText(m["mediaUrl"])))
	p.add("callback query", query(asText(m["callbackUrl"])))
	if media, ok := m["media"].([]string); ok {
		for _, address := range media {
			p.add("media query", query(address))
		}
	}
}

func asText(v any) string {
	text, _ := v.(string)
	return text
}

func query(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.RawQuery
}

// found lists the private values in a text, with their lines.
func (p *private) found(text []byte) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var leaks []string
	for value, what := range p.values {
		before, _, ok := bytes.Cut(text, []byte(value))
		if !ok {
			continue
		}
		line := text[bytes.LastIndexByte(before, '\n')+1:]
		line, _, _ = bytes.Cut(line, []byte{'\n'})
		leaks = append(leaks, fmt.Sprintf("the %s %q in: %s", what, value, line))
	}
	return leaks
}

// searchLogs looks for anything private, and for data races, in what the api
// and the workers wrote.
func (s *stack) searchLogs() {
	for _, p := range s.started {
		for _, leak := range s.private.found(p.Log()) {
			s.t.Errorf("%s logged %s", p.Name, leak)
		}
		if _, race, found := bytes.Cut(p.Log(), []byte("WARNING: DATA RACE")); found {
			s.t.Errorf("%s has a data race:%s", p.Name, race)
		}
	}
}
