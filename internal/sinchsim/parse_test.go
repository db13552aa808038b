package sinchsim

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

func TestParseBehavior(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want    Behavior
		accepts bool
	}{
		"ok":                   {Behavior{Answer: AnswerOK}, true},
		"slow:2s":              {Behavior{Delay: Duration(2 * time.Second)}, true},
		"hang":                 {Behavior{Answer: AnswerHang}, true},
		"hang_before":          {Behavior{Answer: AnswerHang, Accept: new(false)}, false},
		"reset":                {Behavior{Answer: AnswerReset}, false},
		"reset_after":          {Behavior{Answer: AnswerReset, Accept: new(true)}, true},
		"drop":                 {Behavior{Answer: AnswerDrop}, true},
		"drop_before":          {Behavior{Answer: AnswerDrop, Accept: new(false)}, false},
		"html":                 {Behavior{Answer: AnswerHTML}, false},
		"broken":               {Behavior{Answer: AnswerBroken}, true},
		"throttle":             {Behavior{Answer: AnswerThrottle}, false},
		"503":                  {Behavior{Answer: AnswerHTTP, Status: 503}, false},
		"E113":                 {Behavior{Answer: AnswerRefuse, Code: "E113"}, false},
		"missing_callback_url": {Behavior{Answer: AnswerRefuse, Code: "missing_callback_url"}, false},
		"expired":              {Behavior{Receipts: Receipts{Outcome: OutcomeExpired}}, true},
		"none":                 {Behavior{Receipts: Receipts{Outcome: OutcomeNone}}, true},
		"early":                {Behavior{Receipts: Receipts{Early: true}}, true},
		"reorder":              {Behavior{Receipts: Receipts{Reorder: true}}, true},
	}
	for short, tt := range tests {
		got, err := ParseBehavior(short)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" || got.accepts() != tt.accepts {
			t.Errorf("%s: accepts %v, %v (-want +got):\n%s", short, got.accepts(), err, diff)
		}
	}
	for _, short := range []string{"", "x", "E11", "E11x", "600", "-1", "ok:", "hang:1s", "slow:", "http", "refuse", "OK"} {
		if got, err := ParseBehavior(short); err == nil {
			t.Errorf("%q is read as %+v", short, got)
		}
	}
}

func TestParseLatency(t *testing.T) {
	t.Parallel()
	d := newRNG(1)
	tests := map[string]struct{ low, high, mean time.Duration }{
		"":                    {0, 0, 0},
		"150ms":               {150 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond},
		"50ms..200ms":         {50 * time.Millisecond, 200 * time.Millisecond, 125 * time.Millisecond},
		"7ms..7ms":            {7 * time.Millisecond, 7 * time.Millisecond, 7 * time.Millisecond},
		"normal:150ms,10ms":   {0, maxLatency, 150 * time.Millisecond},
		"exp:100ms":           {0, maxLatency, 100 * time.Millisecond},
		"normal:1000h0m0s,0s": {maxLatency, maxLatency, maxLatency},
	}
	for text, tt := range tests {
		l, err := ParseLatency(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		again, err := ParseLatency(l.String())
		if err != nil || again != l {
			t.Errorf("%q becomes %q", text, l)
		}
		const draws = 5000
		var sum time.Duration
		for range draws {
			v := l.draw(d.Next())
			if v < tt.low || v > tt.high {
				t.Fatalf("%q drew %s", text, v)
			}
			sum += v
		}
		if mean := sum / draws; mean < tt.mean*95/100 || mean > tt.mean*105/100 {
			t.Errorf("%q has a mean of %s", text, mean)
		}
	}
	for _, text := range []string{"x", "-1s", "2s..1s", "1s..", "normal:1s", "exp:", "normal:x,1s"} {
		if l, err := ParseLatency(text); err == nil {
			t.Errorf("%q is read as %s", text, l)
		}
	}
}

func TestBehaviorKeepsItsJSON(t *testing.T) {
	t.Parallel()
	want := Behavior{
		Answer: AnswerHTTP, Accept: new(true), Delay: Duration(time.Second), Status: 500, Body: "x",
		Headers:  map[string]string{"A": "b"},
		Receipts: Receipts{Outcome: OutcomeSMS, Delay: Duration(time.Minute), Early: true},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Behavior
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", text, diff)
	}
}

func TestMessageOf(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"msg_a-1": "msg_a", "a-b-12": "a-b", "plain": "plain", "": "", "-1": "-1", "a-": "a",
	} {
		if got := messageOf(reference); got != want {
			t.Errorf("%q belongs to %q", reference, got)
		}
	}
}

// A seed fixes ids, latencies and receipt times; simulators without one differ.
func TestSeed(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	latency := Latency{kind: latencyExponential, a: time.Second}
	type draws struct {
		ULID, Tracking string
		Latency        time.Duration
		Steps          []Step
	}
	draw := func(seed uint64) draws {
		d := newRNG(seed)
		o := ReceiptOptions{FirstWithin: time.Second, Step: time.Second}
		return draws{
			NewULID(at, d.Next()), d.TrackingID(1), latency.draw(d.Next()),
			o.Timeline([]string{"a", "b"}, Receipts{}, at, d.Next()),
		}
	}
	compare := cmp.AllowUnexported(Step{})
	if diff := cmp.Diff(draw(7), draw(7), compare); diff != "" {
		t.Errorf("one seed, two runs:\n%s", diff)
	}
	for _, seeds := range [][2]uint64{{7, 8}, {0, 0}} {
		a, b := draw(seeds[0]), draw(seeds[1])
		if a.ULID == b.ULID || a.Tracking == b.Tracking || a.Latency == b.Latency {
			t.Errorf("seeds %v draw the same values: %+v", seeds, a)
		}
	}
}
