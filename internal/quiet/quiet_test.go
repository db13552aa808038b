package quiet

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

func hours(t *testing.T, text string) Hours {
	t.Helper()
	h, err := ParseHours(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestParseHours(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "21:00", "21:00-", "-08:00", "21:00-21:00", "9:00-10:00", "21-08", "24:00-08:00", "21:60-08:00", "21:00–08:00", "21:00 - 08:00", "21:00-08:00:00",
	} {
		if h, err := ParseHours(text); err == nil {
			t.Errorf("%q: %+v", text, h)
		}
	}
	if h := hours(t, "21:30-08:05"); h.From != 21*time.Hour+30*time.Minute || h.To != 8*time.Hour+5*time.Minute {
		t.Errorf("%+v", h)
	}
}

// The end of quiet hours by the clock on the wall, also on the days on which it is put
// forward or back.
func TestEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, hours, zone, at, end string }{
		{"before", "21:00-08:00", "America/New_York", "2026-01-10T20:59:59-05:00", ""},
		{"at its beginning", "21:00-08:00", "America/New_York", "2026-01-10T21:00:00-05:00", "2026-01-11T08:00:00-05:00"},
		{"after midnight", "21:00-08:00", "America/New_York", "2026-01-11T00:00:00-05:00", "2026-01-11T08:00:00-05:00"},
		{"just before its end", "21:00-08:00", "America/New_York", "2026-01-11T07:59:59.999-05:00", "2026-01-11T08:00:00-05:00"},
		{"at its end", "21:00-08:00", "America/New_York", "2026-01-11T08:00:00-05:00", ""},
		{"within a day", "12:00-14:00", "America/New_York", "2026-01-11T13:00:00-05:00", "2026-01-11T14:00:00-05:00"},
		{"put forward in the night", "21:00-08:00", "America/New_York", "2026-03-07T23:00:00-05:00", "2026-03-08T08:00:00-04:00"},
		{"put back in the night", "21:00-08:00", "America/New_York", "2026-10-31T23:00:00-04:00", "2026-11-01T08:00:00-05:00"},
		{"ends in the hour that is left out", "21:00-02:30", "America/New_York", "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"begins in the hour that is left out", "02:30-08:00", "America/New_York", "2026-03-08T01:59:59-05:00", ""},
		{"begins in the hour that is left out, and has begun", "02:30-08:00", "America/New_York", "2026-03-08T03:00:00-04:00", "2026-03-08T08:00:00-04:00"},
		{"lies in the hour that is left out", "02:10-02:50", "America/New_York", "2026-03-08T01:59:59-05:00", ""},
		{"ends in the hour that comes twice", "21:00-01:30", "America/New_York", "2026-11-01T01:10:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"ends in the hour that comes twice, again", "21:00-01:30", "America/New_York", "2026-11-01T01:10:00-05:00", "2026-11-01T01:30:00-05:00"},
		{"ends after the hour that comes twice", "01:45-02:30", "America/New_York", "2026-11-01T01:50:00-04:00", "2026-11-01T01:00:00-05:00"},
		{"the south puts it back in April", "21:00-08:00", "Australia/Sydney", "2026-04-04T22:00:00+11:00", "2026-04-05T08:00:00+10:00"},
		{"no summer time", "21:00-08:00", "America/Phoenix", "2026-03-08T01:00:00-07:00", "2026-03-08T08:00:00-07:00"},
		{"half an hour of summer time", "21:00-08:00", "Australia/Lord_Howe", "2026-10-03T22:00:00+10:30", "2026-10-04T08:00:00+11:00"},
	} {
		moment := at(t, tt.at)
		want := moment
		if tt.end != "" {
			want = at(t, tt.end)
		}
		if got := hours(t, tt.hours).end(moment, zone(t, tt.zone)); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", tt.name, got.Format(time.RFC3339), want.Format(time.RFC3339))
		}
	}
}

// On every minute around a change of the clock the end is the first minute that is
// outside the hours, found by trying all of them.
func TestEndIsTheFirstMomentOutside(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"} {
		for _, span := range []string{"21:00-08:00", "00:30-02:30", "02:10-02:50", "01:30-02:00", "23:00-01:15"} {
			h, in := hours(t, span), zone(t, "America/New_York")
			from := at(t, change).Add(-12 * time.Hour)
			for minute := range 24 * 60 {
				moment := from.Add(time.Duration(minute) * time.Minute)
				want := moment
				for h.contain(sinceMidnight(want.In(in))) {
					want = want.Add(time.Minute)
				}
				if got := h.end(moment, in); !got.Equal(want) {
					t.Fatalf("%s at %s: %s, want %s", span, moment.In(in), got, want.In(in))
				}
			}
		}
	}
}

func newRules(t *testing.T, span string) *Rules {
	t.Helper()
	return NewRules(hours(t, span), zone(t, "America/New_York"))
}

func TestZonesOfNumbers(t *testing.T) {
	t.Parallel()
	rules := newRules(t, "21:00-08:00")
	for number, want := range map[string][]string{
		"+12065551212":  {"America/Los_Angeles"},
		"+12125551212":  {"America/New_York"},
		"+18085551212":  {"Pacific/Honolulu"},
		"+17875551212":  {"America/Puerto_Rico"},
		"+12042345678":  {"America/Winnipeg"},
		"+12082001234":  {"America/Boise", "America/Los_Angeles"}, // Idaho, by its exchange
		"+18005551212":  {"America/New_York"},                     // toll-free
		"+18885551212":  {"America/New_York"},
		"+18612345678":  {"America/New_York"}, // an area code that the table does not have yet
		"+61731001234":  {"Australia/Brisbane"},
		"+61291234567":  {"Australia/Sydney"},
		"":              {"America/New_York"},
		"+99912345":     {"America/New_York"},
		"+447400123456": {"Europe/Guernsey", "Europe/Isle_of_Man", "Europe/Jersey", "Europe/London"},
		"+61412345678": {
			"Australia/Adelaide", "Australia/Brisbane", "Australia/Eucla", "Australia/Lord_Howe", "Australia/Perth", "Australia/Sydney",
			"Indian/Christmas", "Indian/Cocos",
		},
	} {
		var got []string
		for _, z := range rules.zones.of(number) {
			got = append(got, z.String())
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", number, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %q, want %q", number, got, want)
			}
		}
	}
}

// A number that may be in several zones waits until quiet hours are over in all.
func TestHoldInSeveralZones(t *testing.T) {
	t.Parallel()
	rules := newRules(t, "21:00-08:00")
	for _, tt := range []struct{ name, number, at, until, zone string }{
		{"Seattle by day", "+12065551212", "2026-01-10T20:00:00Z", "", ""},
		{"Seattle by night", "+12065551212", "2026-01-10T06:00:00Z", "2026-01-10T16:00:00Z", "America/Los_Angeles"},
		{"Idaho: over in Boise only", "+12082001234", "2026-01-10T15:30:00Z", "2026-01-10T16:00:00Z", "America/Los_Angeles"},
		{"Idaho: begun in Boise only", "+12082001234", "2026-01-10T04:30:00Z", "2026-01-10T16:00:00Z", "America/Los_Angeles"},
		{"an Australian mobile: over in Sydney only", "+61412345678", "2026-01-09T22:00:00Z", "2026-01-10T01:30:00Z", "Indian/Cocos"},
		{"an Australian mobile by day", "+61412345678", "2026-01-10T05:00:00Z", "", ""},
		{"toll-free", "+18005551212", "2026-01-10T12:00:00Z", "2026-01-10T13:00:00Z", "America/New_York"},
	} {
		got := rules.hold(tt.number, at(t, tt.at))
		want := message.Held{Zone: tt.zone}
		if tt.until != "" {
			want.Until = at(t, tt.until)
		}
		if !got.Until.Equal(want.Until) || got.Zone != want.Zone {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
}

// Quiet hours that leave no moment to a number of many zones are those of its first.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	rules := newRules(t, "12:00-11:00")
	got := rules.hold("+61412345678", at(t, "2026-01-10T05:00:00Z"))
	if want := at(t, "2026-01-11T00:30:00Z"); !got.Until.Equal(want) || got.Zone != "Australia/Adelaide" {
		t.Errorf("%+v, want %s", got, want)
	}
}

func TestOnlyMessagesThatRespectThemAreHeld(t *testing.T) {
	t.Parallel()
	night := at(t, "2026-01-10T06:00:00Z")
	c := message.Content{To: "+12065551212", Priority: message.High}
	rules := newRules(t, "21:00-08:00")
	if got := rules.Hold(&c, night); !got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
	c.QuietHours = message.QuietRespect
	if got := rules.Hold(&c, night); got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
	var off *Rules
	if got := off.Hold(&c, night); !got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
}

func BenchmarkHold(b *testing.B) {
	h, err := ParseHours("21:00-08:00")
	if err != nil {
		b.Fatal(err)
	}
	rules := NewRules(h, time.UTC)
	c, now := message.Content{To: "+12065551212", Priority: message.Bulk}, time.UnixMilli(1_772_366_400_000)
	for b.Loop() {
		rules.Hold(&c, now)
	}
}
