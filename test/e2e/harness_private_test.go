package e2e_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// number is a number of its own: valid in the United States, and with last
// digits that mean nothing to the simulator.
func number() string {
	n := numbers.Add(1)
	return fmt.Sprintf("+1206%03d%04d", 300+n/7000%600, 1000+n%7000)
}

// numberEnding is a number of its own with last digits that tell the simulator
// what becomes of it.
func numberEnding(digits string) string {
	return fmt.Sprintf("+1425%03d%s", 300+numbers.Add(1)%600, digits)
}

var numbers atomic.Int64

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
		for _, medium := range media {
			p.add("media query", query(medium))
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

// found lists what text gives away, with the line it stands in.
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
		for _, leak := range s.private.found(p.written()) {
			s.t.Errorf("%s logged %s", p.name, leak)
		}
		if _, race, found := bytes.Cut(p.written(), []byte("WARNING: DATA RACE")); found {
			s.t.Errorf("%s has a data race:%s", p.name, race)
		}
	}
}
