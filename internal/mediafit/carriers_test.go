package mediafit

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func readCarriers(t *testing.T) Carriers {
	t.Helper()
	c, err := ReadCarriers()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCarriersFile(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	classes := map[Class]int{}
	for _, limit := range readCarriers(t).All() {
		key := string(limit.Class) + " " + limit.Carrier
		// Carriers have never cut off below 300 KB, and a larger one is a mistyped figure.
		if seen[key] || limit.Bytes < 300_000 || limit.Bytes > 10_000_000 || limit.Read.After(time.Now()) {
			t.Errorf("%+v", limit)
		}
		seen[key] = true
		classes[limit.Class]++
	}
	if classes[ClassTenDigit] == 0 || classes[ClassShortCode] == 0 || classes[ClassTollFree] == 0 {
		t.Errorf("limits by class: %v", classes)
	}
}

func TestBrokenCarriersFile(t *testing.T) {
	t.Parallel()
	const head, good = "class,carrier,bytes,source,read\n", "10dlc,AT&T,1000000,https://example.com,2026-11-29\n"
	if c, err := parseCarriers(head + good); err != nil || len(c.All()) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, file := range map[string]string{
		"empty": "", "no head": good, "columns": head + "10dlc,AT&T\n", "class": head + strings.Replace(good, "10dlc", "long", 1),
		"carrier": head + strings.Replace(good, "AT&T", "", 1), "bytes": head + strings.Replace(good, "1000000", "1 MB", 1),
		"nothing fits": head + strings.Replace(good, "1000000", "0", 1), "source": head + strings.Replace(good, "https://example.com", "a colleague", 1),
		"date": head + strings.Replace(good, "2026-11-29", "today", 1),
	} {
		if _, err := parseCarriers(file); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestLimitOfASender(t *testing.T) {
	t.Parallel()
	carriers := readCarriers(t)
	const general = 10 << 20
	tests := map[string]struct {
		sender string
		want   int64
	}{
		"ten digits": {"+12065550100", 1_310_720},
		"toll-free":  {"+18005550199", 1_000_000},
		"short code": {"28444", 1_050_000},
		"Canada":     {"+16045550100", general}, // no limit is known
		"Australia":  {"+61412345678", general},
		"none":       {"", general},
	}
	for name, tt := range tests {
		if got := carriers.Limit(tt.sender, general); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		if got := carriers.Limit(tt.sender, 1000); got != 1000 {
			t.Errorf("%s: %d is above the general limit", name, got)
		}
	}
}

// TestDocumentedCarriers: the page shows the limits of the file, all of them and no
// others.
func TestDocumentedCarriers(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/media.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, limit := range readCarriers(t).All() {
		want = append(want, fmt.Sprintf("| %s | %s | %d | [Sinch](%s), %s |",
			limit.Class, limit.Carrier, limit.Bytes, limit.Source, limit.Read.Format(time.DateOnly)))
	}
	_, section, _ := strings.Cut(string(page), "### Limits of carriers\n")
	section, _, _ = strings.Cut(section, "\n#")
	var got []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| Class ") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/media.md has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
