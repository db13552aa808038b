package message

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestNormalizePhone(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, number, country string }{
		{"+12065551212", "+12065551212", "US"},
		{"++12065551212", "+12065551212", "US"},
		{"12065551212", "+12065551212", "US"},
		{"2065551212", "+12065551212", "US"},
		{"  (206) 555-1212 ", "+12065551212", "US"},
		{"206.555.1212", "+12065551212", "US"},
		{"206/555/1212", "+12065551212", "US"},
		{"+1 (206) 555-1212", "+12065551212", "US"},
		{"+14165551234", "+14165551234", "CA"},
		{"+17875551234", "+17875551234", "PR"},
		{"+61 412 345 678", "+61412345678", "AU"},
		{"011 61 412 345 678", "+61412345678", "AU"},
		{"+44 7400 123456", "+447400123456", "GB"},
		{"+18765551234", "+18765551234", "JM"},
	}
	for _, tt := range tests {
		number, country, ok := NormalizePhone(tt.in, "US")
		if !ok || number != tt.number || country != tt.country {
			t.Errorf("NormalizePhone(%q) = %q, %q, %v; want %q, %q", tt.in, number, country, ok, tt.number, tt.country)
		}
	}
}

func TestNormalizePhoneRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", "+", "+1", "911", "5551212", "+1206555121", "+120655512123", "+11065551212", "+12060551212",
		"206-555-CALL", "2065551212x5", "2065551212 ext 5", "2065551212;ext=5", "tel:+12065551212", "2065551212#",
		"\t2065551212", "2065551212\n", "+1206555\u200b1212", "\u202a+12065551212", "+1206555\u00a01212", "＋12065551212",
		"+1２065551212", "٢٠٦٥٥٥١٢١٢", "+999123456789", "+0012065551212", "+1+2065551212", "206555+1212",
		"2065551212/2065551213", "+12065551212,+12065551213", "-12065551212-" + strings.Repeat("1", 300), "(((((((((((", "null", "\x00",
	} {
		if number, _, ok := NormalizePhone(in, "US"); ok {
			t.Errorf("NormalizePhone(%q) = %q, want it refused", in, number)
		}
	}
}

func TestNormalizePhoneUsesTheRegion(t *testing.T) {
	t.Parallel()
	number, country, ok := NormalizePhone("0412 345 678", "AU")
	if !ok || number != "+61412345678" || country != "AU" {
		t.Errorf("got %q, %q, %v", number, country, ok)
	}
	if number, _, ok := NormalizePhone("0412 345 678", "US"); ok {
		t.Errorf("got %q, want it refused in the US", number)
	}
}

// slowPhone is NormalizePhone with nothing but the library.
func slowPhone(value, region string) (string, string, bool) {
	parsed, err := phonenumbers.Parse(value, region)
	if err != nil || !phonenumbers.IsValidNumber(parsed) {
		return "", "", false
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), phonenumbers.GetRegionCodeForNumber(parsed), true
}

// TestPlainNumbersTakeNoShortcutInMeaning goes through every area code and
// through random numbers on both ways.
func TestPlainNumbersTakeNoShortcutInMeaning(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	compare := func(value string) {
		t.Helper()
		number, country, ok := NormalizePhone(value, "US")
		slowNumber, slowCountry, slowOK := slowPhone(value, "US")
		if number != slowNumber || country != slowCountry || ok != slowOK {
			t.Errorf("%s: %q %q %v, the library says %q %q %v", value, number, country, ok, slowNumber, slowCountry, slowOK)
		}
	}
	for area := range 1000 {
		code := strconv.Itoa(1000 + area)[1:]
		compare("+1" + code + "2345678")
		compare("+1" + code + "5550100")
		compare("+1" + code + strconv.Itoa(1_000_000+random.IntN(9_000_000)))
	}
	for range 2000 {
		digits := strconv.FormatInt(random.Int64N(1e15), 10)
		compare("+" + digits[:min(len(digits), 7+random.IntN(9))])
	}
}

func BenchmarkNormalizePhone(b *testing.B) {
	for b.Loop() {
		NormalizePhone("+12065551212", "US")
	}
}
