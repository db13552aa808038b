package apikey

import (
	"fmt"
	"strings"
)

// Scopes is the set of requests that a key allows.
type Scopes uint8

// The scopes.
const (
	ScopeSend Scopes = 1 << iota // POST, PUT and DELETE
	ScopeRead                    // GET and HEAD

	AllScopes = ScopeSend | ScopeRead
)

// ParseScopes parses scopes separated by commas; at least one.
func ParseScopes(text string) (Scopes, error) {
	var scopes Scopes
	for name := range strings.SplitSeq(text, ",") {
		switch strings.TrimSpace(name) {
		case "send":
			scopes |= ScopeSend
		case "read":
			scopes |= ScopeRead
		default:
			return 0, fmt.Errorf("%w: scopes are send, read or send,read", ErrSettings)
		}
	}
	return scopes, nil
}

// Names returns the names of the scopes.
func (s Scopes) Names() []string {
	names := []string{}
	if s&ScopeSend != 0 {
		names = append(names, "send")
	}
	if s&ScopeRead != 0 {
		names = append(names, "read")
	}
	return names
}

// Has reports whether s includes all scopes of other.
func (s Scopes) Has(other Scopes) bool { return s&other == other }
