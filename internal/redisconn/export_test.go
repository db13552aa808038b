package redisconn

import "strings"

// RequiredRights are the rules of ACL SETUSER for a user that may do what the
// service needs, and nothing else.
func RequiredRights() []string {
	rules := []string{"~" + ownPattern, "~" + asynqPattern, "&" + ownPattern, "&" + asynqPattern, "+exec", "+multi"}
	for line := range strings.Lines(strings.TrimSpace(required)) {
		rules = append(rules, grant(strings.Fields(line)))
	}
	return rules
}
