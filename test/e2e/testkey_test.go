package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mmsdispatch/test/harness"
)

// magicNumber is a row of the table in docs/testing.md, with the message that
// the page sends to it.
type magicNumber struct {
	status, reason, sinchCode, sentAs string
	attempts                          int
	message                           message
}

// magicNumbers reads the page for readers, by the last four digits.
func magicNumbers(t *testing.T) map[string]magicNumber {
	t.Helper()
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[string]magicNumber)
	row := regexp.MustCompile("(?m)^\\| `(\\d{4})` \\| (.+?) \\| (.+?) \\| (.+?) \\| (.+?) \\| (\\d+) \\|")
	for _, cells := range row.FindAllStringSubmatch(string(page), -1) {
		for i := range cells {
			cells[i] = strings.Trim(cells[i], "`–") // a dash is null
		}
		attempts, err := strconv.Atoi(cells[6])
		if err != nil {
			t.Fatal(err)
		}
		numbers[cells[1]] = magicNumber{status: cells[2], reason: cells[3], sinchCode: cells[4], sentAs: cells[5], attempts: attempts}
	}
	for _, call := range regexp.MustCompile(`(?m)^send -d '(.*)'$`).FindAllStringSubmatch(string(page), -1) {
		var m message
		if err := json.Unmarshal([]byte(call[1]), &m); err != nil {
			t.Fatalf("%s: %v", call[1], err)
		}
		to, _ := m["to"].(string)
		digits := to[max(0, len(to)-4):]
		n, known := numbers[digits]
		if !known || n.message != nil {
			t.Fatalf("the page sends to …%s, which is not in its table, or twice", digits)
		}
		n.message = m
		numbers[digits] = n
	}
	const rows = 11 // 9001 to 9010, and any other
	if len(numbers) != rows {
		t.Fatalf("%d numbers in the table, want %d", len(numbers), rows)
	}
	return numbers
}

// Each magic number behaves as documented in docs/testing.md, and no call for it
// reaches Sinch.
func TestTestKeyNeverReachesSinch(t *testing.T) {
	t.Parallel()
	numbers := magicNumbers(t)
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("SINCH_TIMEOUT", "700ms"))
			test := harness.Bearer(s.testKey)
			ids := make(map[string]string)
			for digits, n := range numbers {
				if n.message == nil {
					t.Fatalf("the page sends nothing to …%s", digits)
				}
				ids[digits] = s.send(n.message, test)
			}
			for digits, n := range numbers {
				s.on(digits, func(s *stack) { s.wantMagic(ids[digits], n, test) })
			}
			if calls := s.sim.AllCalls(); len(calls) != 0 {
				t.Errorf("Sinch was called: %+v", calls)
			}
		})
	}
}

// wantMagic checks what became of a message to a magic number.
func (s *stack) wantMagic(id string, n magicNumber, key harness.Header) {
	s.t.Helper()
	r := s.awaitStatus(id, n.status, key)
	if n.reason != "" {
		s.wantReason(r, n.reason, n.sinchCode)
	} else if r.Reason != nil {
		s.t.Errorf("%s has a reason", r)
	}
	s.wantAttempts(r, n.attempts)
	var sentAs string
	if r.SentAs != nil {
		sentAs = *r.SentAs
	}
	if sentAs != n.sentAs {
		s.t.Errorf("%s was sent as %q, want %q", r, sentAs, n.sentAs)
	}
	s.want(s.call(http.MethodGet, "/v1/messages/"+id, nil), http.StatusNotFound) // with a live key
}
