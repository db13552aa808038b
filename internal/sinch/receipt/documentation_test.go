package receipt

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
)

// line is a line of a table of docs/sinch.md.
func line(code any, meaning string, state message.ReceiptState, reason message.ReasonCode) string {
	proves, why := "nothing", ""
	if state != message.ReceiptNone {
		proves = string(state)
	}
	if reason != "" {
		why = "`" + string(reason) + "`"
	}
	return strings.ReplaceAll(fmt.Sprintf("| `%v` | %s | %s | %s |\n", code, meaning, proves, why), "|  |", "| |")
}

func lines[K cmp.Ordered, V any](head string, table map[K]V, write func(K, V) string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, key := range slices.Sorted(maps.Keys(table)) {
		b.WriteString(write(key, table[key]))
	}
	return b.String()
}

func batchLines() string {
	var b strings.Builder
	for _, c := range batchCodeTable {
		code := strconv.Itoa(c.first)
		if c.last != c.first {
			code += "`–`" + strconv.Itoa(c.last)
		}
		b.WriteString(line(code, c.verdict.detail, c.verdict.state, c.verdict.reason))
	}
	return b.String()
}

// docs/sinch.md agrees with the tables.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| Code | Meaning | Proves | Reason |\n|---|---|---|---|\n"
	status := strings.Replace(head, "Code", "Status", 1)
	for name, want := range map[string]string{
		"mms postbacks": lines(head, mmsCodes, func(code string, c mmsCode) string {
			return line(code, c.detail, c.state, c.reason)
		}),
		"batches reports": head + batchLines(),
		"conversation reasons": lines(head, conversationReasons, func(code string, v conversationVerdict) string {
			return line(code, v.detail, v.state, v.reason)
		}),
		"conversation statuses": lines(status, conversationStates, func(name string, v conversationVerdict) string {
			return line(name, v.detail, v.state, v.reason)
		}),
		"batches statuses": lines(status, batchStates, func(name string, v batchVerdict) string {
			return line(name, v.detail, v.state, v.reason)
		}),
	} {
		_, rest, _ := strings.Cut(string(page), "<!-- table: "+name+" -->\n")
		got, _, _ := strings.Cut(rest, "<!-- end -->")
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("docs/sinch.md, %s (-want +got):\n%s", name, diff)
		}
	}
}
