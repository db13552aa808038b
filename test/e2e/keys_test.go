package e2e_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

// The names in angle brackets of the table "Keys in Redis"; any other stands
// for text without a colon.
var keyParts = map[string]string{
	"<identity>":     `[0-9A-Za-z]{20,}`,
	"<live or test>": `(live|test)`,
	"<lane>":         `[a-z]+(:\d+)?`,
	"<id>":           `.+`,
	"<number>":       `\+\d+`,
}

// documentedKeys reads the table: an expression for each key, by its text.
func documentedKeys(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Keys in Redis\n")
	section, _, _ = strings.Cut(section, "\n## ")
	keys := make(map[string]*regexp.Regexp)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(section, -1) {
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			keys[key[1]] = keyPattern(key[1])
		}
	}
	if len(keys) == 0 {
		t.Fatal("docs/architecture.md has no table of keys")
	}
	return keys
}

func keyPattern(key string) *regexp.Regexp {
	prefix := "mms:{m}:"
	if strings.HasPrefix(key, "asynq:") {
		prefix = ""
	}
	pattern := regexp.MustCompile(`<[^>]+>`).ReplaceAllStringFunc(regexp.QuoteMeta(key), func(part string) string {
		if known := keyParts[part]; known != "" {
			return known
		}
		return `[^:]+`
	})
	return regexp.MustCompile("^" + regexp.QuoteMeta(prefix) + strings.ReplaceAll(pattern, "…", ".*") + "$")
}

// storedKeys are all keys of the stack's Redis.
func (s *stack) storedKeys() []string {
	s.t.Helper()
	var keys []string
	found := s.redis.Client(s.t).Scan(s.t.Context(), 0, "", 1000).Iterator()
	for found.Next(s.t.Context()) {
		keys = append(keys, found.Val())
	}
	if err := found.Err(); err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// TestKeysAreDocumented drives each kind of request and checks that every key
// then in Redis has a row in docs/architecture.md, and that the rows that these
// requests must fill have a key.
func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches))
	s.awaitStatus(s.send(message{}), "delivered")
	test := harness.Bearer(s.testKey)
	s.awaitStatus(s.send(message{}, test), "delivered", test)
	s.awaitDone(s.stream("", s.rows(20)).ID)
	s.awaitDone(s.stream("", s.equalRows(manyNumbers(50)...)).ID)
	phone := numberPool.Next()
	s.private.add("phone", phone[2:])
	s.want(s.call(http.MethodPut, optOut(phone), nil), http.StatusCreated)
	s.wantSuppressed(s.send(message{"to": phone}))

	documented := documentedKeys(t)
	seen := make(map[string]bool)
	for _, key := range s.storedKeys() {
		known := false
		for text, pattern := range documented {
			if pattern.MatchString(key) {
				known, seen[text] = true, true
			}
		}
		if !known {
			t.Errorf("%s has no row in docs/architecture.md", regexp.MustCompile(`\d{7,}`).ReplaceAllString(key, "…"))
		}
	}
	for _, key := range []string{
		"<identity>", "counts", "recent:<tenant>:<live or test>", "batch:<identity>", "batch:<identity>:members",
		"batches:<tenant>:<live or test>", "call:<reference>", "clocks", "begins", "worker:<id>", "secret", "shards",
		"optout:<number>", "optouts:<tenant>:<live or test>", "asynq:…",
	} {
		if key == "optout:<number>" && os.Getenv(encryptedVariable) != "" {
			key = "optout:<hash>"
		}
		if !seen[key] {
			t.Errorf("no key fills the row %s", key)
		}
	}
}
